"""Resolvers: functions that make one value of several that raced.

A resolver is given all versions that raced, deletions among them, and answers the value to keep, or None for
none. It must not depend on the order of the versions, nor on which of them were resolved before: it is to be
commutative, associative and idempotent, which `kindred.testing.check_resolver` checks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TypeAlias

from kindred.values import Value, ValueLike, Version

Resolver: TypeAlias = Callable[[Sequence[Version]], ValueLike | None]
"""Makes one value, or None for absence, of the versions that raced."""


def last_writer(versions: Sequence[Version]) -> Value | None:
    """Keeps what was written last, ties decided by dot. What the others wrote is lost."""
    return max(versions, key=lambda version: (version.written_at, version.dot)).value


def json_set_union(versions: Sequence[Version]) -> Value | None:
    """Unites JSON arrays as sets: nothing that anybody added is lost. Deletions count as empty.

    The result is a sorted JSON array. As with any union, what one writer removed and another still had
    comes back.
    """
    values = [version.value for version in versions if version.value is not None]
    if not values:
        return None
    members = {_canonical(member) for value in values for member in _array(value)}
    # The texts of the members are in order, so equal sets are equal bytes whoever united them.
    text = "[" + ",".join(sorted(members)) + "]"
    return Value(text.encode(), "application/json", _joined_metadata(values))


def _array(value: Value) -> list[object]:
    members = json.loads(value.data)
    if not isinstance(members, list):
        raise ValueError(f"json_set_union resolves JSON arrays, not {type(members).__name__}")
    return members


def _canonical(member: object) -> str:
    return json.dumps(member, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _joined_metadata(values: Sequence[Value]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for value in values:
        for name, text in value.metadata.items():
            joined[name] = max(text, joined.get(name, text))
    return dict(sorted(joined.items()))
