"""The blocking client. May be shared by threads."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING

from kindred import _batch, _update
from kindred._base import BaseClient
from kindred._batch import BatchItem, Mutation
from kindred._blocking import Cancellation, Connections
from kindred._endpoints import Endpoints
from kindred._pipeline import IN_FLIGHT
from kindred._session import SESSION_KEYS_MAX, SessionKey, SessionOperations, session_key
from kindred._update import Change
from kindred.options import Blind, ReadOptions, Tls, WriteOptions
from kindred.pipeline import Pipeline
from kindred.resolvers import Resolver
from kindred.values import (
    Context,
    GetResult,
    PutResult,
    TouchResult,
    UpdateResult,
    ValueLike,
    WriteOutcome,
)

if TYPE_CHECKING:
    from typing_extensions import Self


class Client(BaseClient):
    __doc__ = BaseClient.__doc__

    _connections: Connections
    _cancellation: Cancellation | None = None

    def _connect(self, endpoints: Endpoints, tls: Tls | None, token: str | None) -> None:
        self._connections = Connections(endpoints, tls, token)

    def with_cancellation(self, cancellation: Cancellation) -> Self:
        """The same client, whose operations `cancellation` cancels."""
        other = copy.copy(self)
        other._cancellation = cancellation
        return other

    def close(self) -> None:
        """Closes all connections. What is under way fails with CANCELLED."""
        self._connections.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ---- One key --------------------------------------------------------------------------

    def get(self, bucket: str, key: str | bytes, *, read: ReadOptions | None = None) -> GetResult:
        """Reads a key: `Found`, `Conflict` or `Absent`, each with the context that the next write needs."""
        return self._connections.run(self._operations.get(bucket, key, read), self._cancellation)

    def put(
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
        return self._connections.run(steps, self._cancellation)

    def delete(
        self,
        bucket: str,
        key: str | bytes,
        *,
        context: Context | None = None,
        blind: Blind | None = None,
        write: WriteOptions | None = None,
    ) -> PutResult:
        """Deletes a key; no error when it is absent. A value that raced the delete survives it."""
        steps = self._operations.delete(bucket, key, context=context, blind=blind, write=write)
        return self._connections.run(steps, self._cancellation)

    def touch(
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
        steps = self._operations.touch(
            bucket, key, ttl=ttl, expire_time=expire_time, context=context, write=write
        )
        return self._connections.run(steps, self._cancellation)

    def update(
        self,
        bucket: str,
        key: str | bytes,
        change: Change,
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
        steps = _update.update(
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
        return self._connections.run(steps, self._cancellation)

    def write_outcome(
        self, bucket: str, key: str | bytes, request_id: bytes, *, read: ReadOptions | None = None
    ) -> WriteOutcome:
        """Tells whether a write has happened whose answer was lost: `KindredError.request_id` is its name."""
        steps = self._operations.write_outcome(bucket, key, request_id, read)
        return self._connections.run(steps, self._cancellation)

    def homes(self, bucket: str, key: str | bytes) -> list[str]:
        """The ids of the nodes that keep a key, as direct routing computes them here. Empty without it."""
        return self._connections.run(self._operations.homes(bucket, key), self._cancellation)

    # ---- Many keys ------------------------------------------------------------------------

    def batch_get(
        self, keys: Iterable[tuple[str, str | bytes]], *, read: ReadOptions | None = None
    ) -> Iterator[BatchItem[GetResult]]:
        """Reads up to 1,000 keys, given as (bucket, key). Results come in any order, with each call's end."""
        batch = _batch.batch_get(self._operations, list(keys), read)
        return self._connections.run_batch(batch, self._cancellation)

    def batch_write(
        self, mutations: Iterable[Mutation], *, write: WriteOptions | None = None
    ) -> Iterator[BatchItem[PutResult]]:
        """Carries out up to 1,000 `Put` and `Delete`. They are independent of each other: no transaction.

        Nothing is sent until the result is iterated over. Results come in any order, with each call's end.
        """
        batch = _batch.batch_write(self._operations, list(mutations), write)
        return self._connections.run_batch(batch, self._cancellation)

    def pipeline(self, *, in_flight: int = IN_FLIGHT) -> Pipeline:
        """Opens a pipeline: many operations under way at once, `in_flight` at most. The fast path.

        Use it in a ``with`` block, whose end waits for all results.
        """
        return Pipeline(self._connections, self._operations, in_flight)

    # ---- Sessions -------------------------------------------------------------------------

    def session(self, *, keys_max: int = SESSION_KEYS_MAX) -> Session:
        """Begins a session, which reads its own writes and never reads backwards, at any level.

        It remembers `keys_max` keys; of a key that was not used for so long that it is forgotten, it promises
        no more than a new session.
        """
        return Session(self, keys_max)


class Session:
    """Operations that go on from what this session has seen. Those on one key take turns."""

    def __init__(self, client: Client, keys_max: int) -> None:
        self._client = client
        self._operations = SessionOperations(client._operations, keys_max)
        self._turns = _Turns()

    def with_cancellation(self, cancellation: Cancellation) -> Self:
        """The same session, whose operations `cancellation` cancels."""
        other = copy.copy(self)
        other._client = self._client.with_cancellation(cancellation)
        return other

    def get(self, bucket: str, key: str | bytes, *, read: ReadOptions | None = None) -> GetResult:
        """Reads a key: nothing older than this session has seen of it."""
        with self._turns.take(session_key(bucket, key)):
            return self._client._connections.run(
                self._operations.get(bucket, key, read), self._client._cancellation
            )

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
    ) -> PutResult:
        """Stores a value, which supersedes what this session has seen; blindly if it has seen nothing."""
        with self._turns.take(session_key(bucket, key)):
            steps = self._operations.put(
                bucket, key, value, ttl=ttl, expire_time=expire_time, keep_expiry=keep_expiry, write=write
            )
            return self._client._connections.run(steps, self._client._cancellation)

    def delete(self, bucket: str, key: str | bytes, *, write: WriteOptions | None = None) -> PutResult:
        """Deletes what this session has seen of a key; blindly if it has seen nothing."""
        with self._turns.take(session_key(bucket, key)):
            return self._client._connections.run(
                self._operations.delete(bucket, key, write=write), self._client._cancellation
            )

    def update(
        self,
        bucket: str,
        key: str | bytes,
        change: Change,
        *,
        resolver: Resolver | None = None,
        ttl: timedelta | None = None,
        expire_time: datetime | None = None,
        keep_expiry: bool = False,
        read: ReadOptions | None = None,
        write: WriteOptions | None = None,
    ) -> UpdateResult:
        """As `Client.update`, from nothing older than this session has seen."""
        with self._turns.take(session_key(bucket, key)):
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
            return self._client._connections.run(steps, self._client._cancellation)


class _Turns:
    """A lock for each key that is in use."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[SessionKey, tuple[threading.Lock, int]] = {}

    @contextmanager
    def take(self, key: SessionKey) -> Iterator[None]:
        with self._guard:
            lock, users = self._locks.get(key) or (threading.Lock(), 0)
            self._locks[key] = (lock, users + 1)
        try:
            with lock:
                yield
        finally:
            with self._guard:
                lock, users = self._locks.pop(key)
                if users > 1:
                    self._locks[key] = (lock, users - 1)
