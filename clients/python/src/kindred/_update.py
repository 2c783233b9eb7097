"""Read, change, write, and do it again when the race was lost: the loop that never loses an update."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from kindred import _wire
from kindred._operations import Operations
from kindred._steps import Apply, Steps
from kindred.errors import ConflictError, InvalidRequestError, KindredError, Outcome, Reason
from kindred.options import Consistency, OnConflict, ReadOptions, WriteOptions
from kindred.resolvers import Resolver
from kindred.values import (
    Conflict,
    Context,
    Found,
    GetResult,
    PutResult,
    UpdateResult,
    Value,
    ValueLike,
    versions_of,
)


class Verdict(enum.Enum):
    """What a function given to `update` may answer other than a new value."""

    KEEP = enum.auto()
    DELETE = enum.auto()


KEEP: Final = Verdict.KEEP
"""Leave the key as it is: nothing is written."""
DELETE: Final = Verdict.DELETE
"""Delete the key."""

Change: TypeAlias = Callable[[Value | None], ValueLike | Verdict]
"""Makes the new value of the current one; None: there is none. May be called several times."""

# The write was certainly not applied, because somebody else was faster: reading again may help.
_LOST_RACE = frozenset(
    {Reason.TOO_MANY_SIBLINGS, Reason.CONFLICT, Reason.KEY_EXISTS, Reason.CONTEXT_NOT_REACHED}
)


def update(
    operations: Operations,
    bucket: str,
    key: str | bytes,
    change: Callable[[Value | None], Any],
    *,
    resolver: Resolver | None = None,
    ttl: timedelta | None = None,
    expire_time: datetime | None = None,
    keep_expiry: bool = False,
    read: ReadOptions | None = None,
    write: WriteOptions | None = None,
) -> Steps[UpdateResult]:
    """Changes what is stored. `change` is called again only if its write was certainly not applied."""
    settings = operations.settings
    resolver = resolver or settings.resolvers.get(_wire.bucket_name(bucket))
    read = read or ReadOptions(consistency=Consistency.QUORUM)
    if read.on_conflict is OnConflict.PICK_LATEST or read.omit_data:
        # The context covers what such a read leaves out: the write would supersede what nobody has seen.
        raise InvalidRequestError("update reads all versions with their data: no PICK_LATEST, no omit_data")
    lost: KindredError | None = None
    for _ in range(settings.update_attempts):
        seen = yield from operations.get(bucket, key, read)
        current = _resolved(seen, resolver)
        wanted = yield Apply(change, current)
        if wanted is KEEP:
            return UpdateResult(current, seen.context, 0)
        value = None if wanted is DELETE else _wire.value_of(wanted)
        try:
            stored = yield from _store(
                operations,
                bucket,
                key,
                value,
                seen.context,
                ttl=ttl,
                expire_time=expire_time,
                keep_expiry=keep_expiry,
                write=write,
            )
        except KindredError as error:
            if not _lost_race(error):
                raise
            lost = error
            continue
        if resolver is None or stored.versions_held <= 1:
            return UpdateResult(value, stored.context, stored.versions_held)
        return (yield from _settle(operations, bucket, key, resolver, read, write, stored.context))
    raise ConflictError(
        f"lost the race {settings.update_attempts} times",
        versions=tuple(versions_of(seen)),
        context=seen.context,
    ) from lost


def _settle(
    operations: Operations,
    bucket: str,
    key: str | bytes,
    resolver: Resolver,
    read: ReadOptions,
    write: WriteOptions | None,
    context: Context,
) -> Steps[UpdateResult]:
    """The write is stored, and raced with others: resolves until one version is left."""
    # A request id given by the caller belongs to the first write.
    write = replace(write, request_id=None) if write else None
    seen: GetResult | None = None
    failed: Exception | None = None
    for _ in range(operations.settings.update_attempts):
        try:
            seen = yield from operations.get(bucket, key, replace(read, min_context=context))
            if not isinstance(seen, Conflict):
                return UpdateResult(seen.value if isinstance(seen, Found) else None, seen.context, 1)
            context = seen.context
            value = _resolved(seen, resolver)
            stored = yield from _store(operations, bucket, key, value, context, keep_expiry=True, write=write)
        except Exception as error:
            # Of the resolver, too: whatever it is, the write of this update is stored.
            failed = error
            if isinstance(error, KindredError) and _lost_race(error):
                continue
            break
        if stored.versions_held <= 1:
            return UpdateResult(value, stored.context, stored.versions_held)
        context = stored.context
    raise ConflictError(
        "the write is applied, and raced with others; they could not be resolved",
        versions=tuple(versions_of(seen)) if seen else (),
        context=context,
        applied=True,
    ) from failed


def _resolved(seen: GetResult, resolver: Resolver | None) -> Value | None:
    match seen:
        case Found(value):
            return value
        case Conflict(versions, context):
            if resolver is None:
                raise ConflictError(
                    f"{len(versions)} versions raced, and there is no resolver",
                    versions=versions,
                    context=context,
                )
            resolved = resolver(versions)
            return None if resolved is None else _wire.value_of(resolved)
    return None


def _store(
    operations: Operations,
    bucket: str,
    key: str | bytes,
    value: Value | None,
    context: Context,
    *,
    ttl: timedelta | None = None,
    expire_time: datetime | None = None,
    keep_expiry: bool = False,
    write: WriteOptions | None,
) -> Steps[PutResult]:
    if value is None:
        return (yield from operations.delete(bucket, key, context=context, write=write))
    steps = operations.put(
        bucket,
        key,
        value,
        context=context,
        ttl=ttl,
        expire_time=expire_time,
        keep_expiry=keep_expiry,
        write=write,
    )
    return (yield from steps)


def _lost_race(error: KindredError) -> bool:
    return error.outcome is Outcome.NOT_APPLIED and error.reason in _LOST_RACE
