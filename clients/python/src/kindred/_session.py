"""What a session remembers: the last context of each key, so that it reads nothing older."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from kindred import _wire
from kindred._operations import Operations
from kindred._steps import Steps
from kindred._update import update
from kindred.errors import ConflictError, InvalidRequestError
from kindred.options import Consistency, ReadOptions, WriteOptions
from kindred.resolvers import Resolver
from kindred.values import Context, GetResult, PutResult, UpdateResult, Value, ValueLike

SESSION_KEYS_MAX = 10_000

SessionKey: TypeAlias = tuple[str, bytes]


def session_key(bucket: str, key: str | bytes) -> SessionKey:
    return _wire.bucket_name(bucket), _wire.key_bytes(key)


class SessionOperations:
    """Operations that go on from what the session has seen. Those on one key must not overlap."""

    def __init__(self, operations: Operations, keys_max: int) -> None:
        if keys_max < 1:
            raise InvalidRequestError(f"a session remembers at least 1 key, not {keys_max}")
        self._operations = operations
        self._keys_max = keys_max
        self._contexts: OrderedDict[SessionKey, Context] = OrderedDict()

    def get(self, bucket: str, key: str | bytes, read: ReadOptions | None = None) -> Steps[GetResult]:
        name = session_key(bucket, key)
        read = self._at_least_seen(name, read or self._operations.settings.read)
        result = yield from self._operations.get(bucket, key, read)
        self._remember(name, result.context)
        return result

    def put(
        self,
        bucket: str,
        key: str | bytes,
        value: ValueLike,
        *,
        ttl: timedelta | None = None,
        expire_time: datetime | None = None,
        keep_expiry: bool = False,
        write: WriteOptions | None = None,
    ) -> Steps[PutResult]:
        name = session_key(bucket, key)
        result = yield from self._operations.put(
            bucket,
            key,
            value,
            context=self._recall(name),
            ttl=ttl,
            expire_time=expire_time,
            keep_expiry=keep_expiry,
            write=write,
        )
        self._remember(name, result.context)
        return result

    def delete(self, bucket: str, key: str | bytes, *, write: WriteOptions | None = None) -> Steps[PutResult]:
        name = session_key(bucket, key)
        result = yield from self._operations.delete(bucket, key, context=self._recall(name), write=write)
        self._remember(name, result.context)
        return result

    def update(
        self,
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
        name = session_key(bucket, key)
        read = self._at_least_seen(name, read or ReadOptions(consistency=Consistency.QUORUM))
        try:
            result = yield from update(
                self._operations,
                bucket,
                key,
                change,
                resolver=resolver,
                ttl=ttl,
                expire_time=expire_time,
                keep_expiry=keep_expiry,
                read=read,
                write=write,
            )
        except ConflictError as error:
            # The versions have been seen, and the write may be among them.
            self._remember(name, error.context)
            raise
        self._remember(name, result.context)
        return result

    def _at_least_seen(self, name: SessionKey, read: ReadOptions | None) -> ReadOptions | None:
        seen = self._recall(name)
        return read if seen is None else replace(read or ReadOptions(), min_context=seen)

    def _recall(self, name: SessionKey) -> Context | None:
        return self._contexts.get(name)

    def _remember(self, name: SessionKey, context: Context) -> None:
        self._contexts[name] = context
        self._contexts.move_to_end(name)
        while len(self._contexts) > self._keys_max:
            self._contexts.popitem(last=False)
