"""The asyncio client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, TypeAlias

from kindred import _batch, _update
from kindred._asyncio import Connections
from kindred._base import BaseClient
from kindred._batch import BatchItem, Mutation
from kindred._endpoints import Endpoints
from kindred._pipeline import IN_FLIGHT
from kindred._session import SESSION_KEYS_MAX, SessionKey, SessionOperations, session_key
from kindred._update import Verdict
from kindred.async_pipeline import AsyncPipeline
from kindred.options import Blind, ReadOptions, Tls, WriteOptions
from kindred.resolvers import Resolver
from kindred.values import (
    Context,
    GetResult,
    PutResult,
    TouchResult,
    UpdateResult,
    Value,
    ValueLike,
    WriteOutcome,
)

if TYPE_CHECKING:
    from typing_extensions import Self

AsyncChange: TypeAlias = Callable[[Value | None], ValueLike | Verdict | Awaitable[ValueLike | Verdict]]
"""As `Change`; may be a coroutine function."""


class AsyncClient(BaseClient):
    __doc__ = BaseClient.__doc__

    _connections: Connections

    def _connect(self, endpoints: Endpoints, tls: Tls | None, token: str | None) -> None:
        self._connections = Connections(endpoints, tls, token)

    async def close(self) -> None:
        """Closes all connections. What is under way fails with CANCELLED."""
        await self._connections.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # ---- One key --------------------------------------------------------------------------
    # A task that is cancelled while it waits for a write leaves the outcome of that write unknown: give the
    # write a request id of your own, and ask `write_outcome`.

    async def get(self, bucket: str, key: str | bytes, *, read: ReadOptions | None = None) -> GetResult:
        """Reads a key: `Found`, `Conflict` or `Absent`, each with the context that the next write needs."""
        return await self._connections.run(self._operations.get(bucket, key, read))

    async def put(
        self,
        bucket: str,
        key: str | bytes,
        value: ValueLike,
        *,
        context: Context | None = None,
        blind: Blind | None = None,
        ttl: timedelta | None = None,
        expire_time: datetime | None = None,
        keep_expiry: bool = False,
        write: WriteOptions | None = None,
    ) -> PutResult:
        """Stores a value. With a context it supersedes exactly what that context covers.

        Without one, `blind` says what becomes of what is stored; the default is the bucket's. The value
        expires after `ttl`, at `expire_time`, with `keep_expiry` when what it supersedes would have, else
        as the bucket says.
        """
        steps = self._operations.put(
            bucket,
            key,
            value,
            context=context,
            blind=blind,
            ttl=ttl,
            expire_time=expire_time,
            keep_expiry=keep_expiry,
            write=write,
        )
        return await self._connections.run(steps)

    async def delete(
        self,
        bucket: str,
        key: str | bytes,
        *,
        context: Context | None = None,
        blind: Blind | None = None,
        write: WriteOptions | None = None,
    ) -> PutResult:
        """Deletes a key; no error when it is absent. A value that raced the delete survives it."""
        return await self._connections.run(
            self._operations.delete(bucket, key, context=context, blind=blind, write=write)
        )

    async def touch(
        self,
        bucket: str,
        key: str | bytes,
        *,
        ttl: timedelta | None = None,
        expire_time: datetime | None = None,
        context: Context | None = None,
        write: WriteOptions | None = None,
    ) -> TouchResult:
        """Changes when a key expires, and nothing else. With neither `ttl` nor `expire_time`: never."""
        return await self._connections.run(
            self._operations.touch(
                bucket, key, ttl=ttl, expire_time=expire_time, context=context, write=write
            )
        )

    async def update(
        self,
        bucket: str,
        key: str | bytes,
        change: AsyncChange,
        *,
        resolver: Resolver | None = None,
        ttl: timedelta | None = None,
        expire_time: datetime | None = None,
        keep_expiry: bool = False,
        read: ReadOptions | None = None,
        write: WriteOptions | None = None,
    ) -> UpdateResult:
        """Reads, changes and writes a key so that no update is lost, whoever races.

        `change` is given the current value, or None, and answers the new one, `KEEP` or `DELETE`. Siblings
        are resolved by `resolver`, or by the client's for this bucket. Raises `ConflictError` if there is
        none, or if the race cannot be won within the client's `update_attempts`. Each read and each write
        may take the client's `timeout`. The new value expires as with `put`; what a race is resolved to, when
        the last of what it unites would have. `read` leaves out no version and no data.
        """
        return await self._connections.run(
            _update.update(
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
        )

    async def write_outcome(
        self, bucket: str, key: str | bytes, request_id: bytes, *, read: ReadOptions | None = None
    ) -> WriteOutcome:
        """Tells whether a write has happened whose answer was lost: `KindredError.request_id` is its name."""
        return await self._connections.run(self._operations.write_outcome(bucket, key, request_id, read))

    async def homes(self, bucket: str, key: str | bytes) -> list[str]:
        """The ids of the nodes that keep a key, as direct routing computes them here. Empty without it."""
        return await self._connections.run(self._operations.homes(bucket, key))

    # ---- Many keys ------------------------------------------------------------------------

    def batch_get(
        self, keys: Iterable[tuple[str, str | bytes]], *, read: ReadOptions | None = None
    ) -> AsyncIterator[BatchItem[GetResult]]:
        """Reads up to 1,000 keys, given as (bucket, key). Results come in any order, with each call's end."""
        return self._connections.run_batch(_batch.batch_get(self._operations, list(keys), read))

    def batch_write(
        self, mutations: Iterable[Mutation], *, write: WriteOptions | None = None
    ) -> AsyncIterator[BatchItem[PutResult]]:
        """Carries out up to 1,000 `Put` and `Delete`. They are independent of each other: no transaction.

        Nothing is sent until the result is iterated over. Results come in any order, with each call's end.
        """
        return self._connections.run_batch(_batch.batch_write(self._operations, list(mutations), write))

    def pipeline(self, *, in_flight: int = IN_FLIGHT) -> AsyncPipeline:
        """Opens a pipeline: many operations under way at once, `in_flight` at most. The fast path.

        Use it in an ``async with`` block, whose end waits for all results.
        """
        return AsyncPipeline(self._connections, self._operations, in_flight)

    # ---- Sessions -------------------------------------------------------------------------

    def session(self, *, keys_max: int = SESSION_KEYS_MAX) -> AsyncSession:
        """Begins a session, which reads its own writes and never reads backwards, at any level.

        It remembers `keys_max` keys; of a key that was not used for so long that it is forgotten, it promises
        no more than a new session.
        """
        return AsyncSession(self, keys_max)


class AsyncSession:
    """Operations that go on from what this session has seen. Those on one key take turns."""

    def __init__(self, client: AsyncClient, keys_max: int) -> None:
        self._connections = client._connections
        self._operations = SessionOperations(client._operations, keys_max)
        self._turns = _Turns()

    async def get(self, bucket: str, key: str | bytes, *, read: ReadOptions | None = None) -> GetResult:
        """Reads a key: nothing older than this session has seen of it."""
        async with self._turns.take(session_key(bucket, key)):
            return await self._connections.run(self._operations.get(bucket, key, read))

    async def put(
        self,
        bucket: str,
        key: str | bytes,
        value: ValueLike,
        *,
        ttl: timedelta | None = None,
        expire_time: datetime | None = None,
        keep_expiry: bool = False,
        write: WriteOptions | None = None,
    ) -> PutResult:
        """Stores a value, which supersedes what this session has seen; blindly if it has seen nothing."""
        async with self._turns.take(session_key(bucket, key)):
            steps = self._operations.put(
                bucket, key, value, ttl=ttl, expire_time=expire_time, keep_expiry=keep_expiry, write=write
            )
            return await self._connections.run(steps)

    async def delete(self, bucket: str, key: str | bytes, *, write: WriteOptions | None = None) -> PutResult:
        """Deletes what this session has seen of a key; blindly if it has seen nothing."""
        async with self._turns.take(session_key(bucket, key)):
            return await self._connections.run(self._operations.delete(bucket, key, write=write))

    async def update(
        self,
        bucket: str,
        key: str | bytes,
        change: AsyncChange,
        *,
        resolver: Resolver | None = None,
        ttl: timedelta | None = None,
        expire_time: datetime | None = None,
        keep_expiry: bool = False,
        read: ReadOptions | None = None,
        write: WriteOptions | None = None,
    ) -> UpdateResult:
        """As `AsyncClient.update`, from nothing older than this session has seen."""
        async with self._turns.take(session_key(bucket, key)):
            steps = self._operations.update(
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
            return await self._connections.run(steps)


class _Turns:
    """A lock for each key that is in use."""

    def __init__(self) -> None:
        self._locks: dict[SessionKey, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def take(self, key: SessionKey) -> AsyncIterator[None]:
        lock, users = self._locks.get(key) or (asyncio.Lock(), 0)
        self._locks[key] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks.pop(key)
            if users > 1:
                self._locks[key] = (lock, users - 1)
