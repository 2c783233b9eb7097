"""The checker of resolvers must pass those that keep the laws, and find those that break one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timezone

import pytest
from hypothesis import strategies as st

from kindred import Dot, Resolver, Value, ValueLike, Version
from kindred.resolvers import json_set_union, last_writer
from kindred.testing import ResolverLawError, check_resolver

SOMEWHEN = datetime(2026, 1, 1, tzinfo=timezone.utc)
SETS: list[ValueLike] = [
    json.dumps(members) for members in ([], ["a"], ["b"], ["a", "c"], ["b", "a"], [1, {"x": [2]}])
]
SET_STRATEGY = st.lists(st.text(max_size=3), max_size=3).map(json.dumps)


def values_in(versions: Sequence[Version]) -> list[bytes]:
    return [version.value.data for version in versions if version.value is not None]


def first(versions: Sequence[Version]) -> ValueLike | None:
    return versions[0].value


def concatenated(versions: Sequence[Version]) -> ValueLike | None:
    return b"".join(sorted(values_in(versions)))


def average(versions: Sequence[Version]) -> ValueLike | None:
    numbers = [int(data) for data in values_in(versions)]
    return str(sum(numbers) // len(numbers))


def greatest(versions: Sequence[Version]) -> ValueLike | None:
    return max(values_in(versions))


@pytest.mark.parametrize("resolver", [last_writer, json_set_union, greatest])
def test_resolvers_that_keep_the_laws_pass(resolver: Resolver) -> None:
    check_resolver(resolver, SETS)
    check_resolver(resolver, SET_STRATEGY, cases=50)


@pytest.mark.parametrize(
    ("resolver", "values", "law"),
    [
        (first, SETS, "commutative"),
        (concatenated, SETS, "idempotent"),
        (average, ["1", "2", "7"], "associative"),
    ],
)
def test_a_broken_law_is_found_in_examples(resolver: Resolver, values: list[str], law: str) -> None:
    with pytest.raises(ResolverLawError) as found:
        check_resolver(resolver, values)
    assert found.value.law == law
    assert len(found.value.versions) >= 2
    assert "resolve(" in str(found.value)


def test_a_counterexample_of_a_strategy_is_small() -> None:
    with pytest.raises(ResolverLawError) as found:
        check_resolver(first, st.binary())
    assert found.value.law == "commutative"
    assert len(found.value.versions) == 2
    assert all(len(version.value.data) <= 1 for version in found.value.versions if version.value)


def test_too_few_examples_prove_nothing() -> None:
    with pytest.raises(ValueError, match="at least two"):
        check_resolver(first, ["a"])


def test_union_of_sets_is_canonical() -> None:
    def version(data: str, metadata: dict[str, str]) -> Version:
        return Version(Value(data.encode(), "", metadata), Dot(1, 1, 1), (), SOMEWHEN)

    united = json_set_union([version('["b", "a"]', {"by": "ann"}), version('["c","a"]', {"by": "ben"})])
    assert united == Value(b'["a","b","c"]', "application/json", {"by": "ben"})


def test_what_is_no_array_is_no_set() -> None:
    with pytest.raises(ValueError, match="JSON arrays"):
        json_set_union([Version(Value(b'{"a": 1}'), Dot(1, 1, 1), (), SOMEWHEN)])
