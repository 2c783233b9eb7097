"""For tests of your own code: whether a resolver keeps the laws that make its order of work irrelevant.

    from kindred.testing import check_resolver

    def test_carts_merge():
        check_resolver(merge_carts, [b'["milk"]', b'["eggs"]', b'["milk","tea"]'])

Siblings are resolved by whoever comes first, two at a time or all at once, and perhaps by two clients at the
same time. Only a commutative, associative and idempotent resolver ends at the same value on all those ways.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, TypeAlias

from kindred import _wire
from kindred.resolvers import Resolver
from kindred.values import Dot, Value, ValueLike, Version

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

Values: TypeAlias = Sequence[ValueLike]
"""Examples of what writers may store."""

_BEGIN = datetime(2026, 1, 1, tzinfo=timezone.utc)
_SIBLINGS_MAX = 4


class ResolverLawError(AssertionError):
    """A counterexample: versions for which the resolver breaks a law."""

    def __init__(
        self,
        law: str,
        versions: Sequence[Version],
        one_way: str,
        one: Value | None,
        other_way: str,
        other: Value | None,
    ) -> None:
        self.law = law
        """``commutative``, ``associative`` or ``idempotent``."""
        self.versions = tuple(versions)
        names = "\n".join(
            f"  {name} = {_show(version.value)}" for name, version in zip("abcd", versions, strict=False)
        )
        super().__init__(
            f"the resolver is not {law}. With\n{names}\n"
            f"  {one_way} gives {_show(one)}\n  {other_way} gives {_show(other)}"
        )


def check_resolver(
    resolver: Resolver,
    values: Values | SearchStrategy[ValueLike],
    *,
    cases: int = 300,
    seed: int = 0,
) -> None:
    """Raises `ResolverLawError` with a counterexample if it finds one among generated siblings.

    :param values: examples of values, from which siblings are drawn, deletions and equal times of writing
        among them; or a Hypothesis strategy for values, whose counterexamples come out small.
    :param cases: how many sets of siblings to try.
    :param seed: of the draw from examples.
    """
    if isinstance(values, Sequence):
        examples: list[ValueLike | None] = [*values, None]
        if len(examples) < 3:
            raise ValueError("a resolver needs at least two values to be tried with")
        chance = random.Random(seed)
        for _ in range(cases):
            drawn = [chance.choice(examples) for _ in range(chance.randint(2, _SIBLINGS_MAX))]
            _check_case(resolver, [(value, chance.randint(0, 2)) for value in drawn])
    else:
        _check_strategy(resolver, values, cases)


def _check_strategy(resolver: Resolver, values: SearchStrategy[ValueLike], cases: int) -> None:
    from hypothesis import HealthCheck, given, settings
    from hypothesis import strategies as st

    sibling = st.tuples(st.one_of(values, st.none()), st.integers(0, 2))

    @settings(max_examples=cases, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(sibling, min_size=2, max_size=_SIBLINGS_MAX))
    def search(drawn: list[tuple[ValueLike | None, int]]) -> None:
        _check_case(resolver, drawn)

    search()


def _check_case(resolver: Resolver, drawn: Sequence[tuple[ValueLike | None, int]]) -> None:
    """`drawn`: values, None for a deletion, and the second in which each was written."""
    versions = [
        Version(
            None if value is None else _wire.value_of(value),
            Dot(replica, 1, 1),
            (),
            _BEGIN + timedelta(seconds=second),
        )
        for replica, (value, second) in enumerate(drawn, start=1)
    ]

    def resolve(*siblings: Version) -> Version:
        """What is stored once these are resolved. It was written no earlier than the last of them."""
        last = max(siblings, key=lambda version: (version.written_at, version.dot))
        if all(version.deleted for version in siblings):
            return last  # Without a value there is nothing to resolve.
        value = resolver(siblings)
        return last._replace(value=None if value is None else _wire.value_of(value))

    def expect(law: str, one_way: str, one: Version, other_way: str, other: Version) -> None:
        if one.value != other.value:
            raise ResolverLawError(law, versions, one_way, one.value, other_way, other.value)

    everything = resolve(*versions)
    for order in itertools.permutations(range(len(versions))):
        names = ", ".join("abcd"[index] for index in order)
        one = resolve(*(versions[index] for index in order))
        expect("commutative", f"resolve({names})", one, "resolve(a, b, ...)", everything)
    step_by_step = _fold(resolve, versions)
    expect(
        "associative",
        "resolve(resolve(a, b), ...)",
        step_by_step,
        "resolve(a, b, ...)",
        everything,
    )
    backwards = _fold(lambda left, right: resolve(right, left), versions[::-1])
    expect("associative", "resolve(a, resolve(b, ...))", backwards, "resolve(a, b, ...)", everything)
    twin = everything._replace(dot=Dot(len(versions) + 1, 1, 1))
    again = resolve(everything, twin)
    expect("idempotent", "resolve(r, r) for r = resolve(a, b, ...)", again, "r itself", everything)


def _fold(resolve: Callable[[Version, Version], Version], versions: Sequence[Version]) -> Version:
    result = versions[0]
    for version in versions[1:]:
        result = resolve(result, version)
    return result


def _show(value: Value | None) -> str:
    return "a deletion" if value is None else repr(value.data)
