"""Many keys in one call: which items are answered, and which are to be sent again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, Literal, TypeAlias, TypeVar

import grpc

from kindred import _wire
from kindred._attempts import Attempts
from kindred._failure import Failure, from_item_status
from kindred._operations import Operations
from kindred._requests import Requests, request_id
from kindred.errors import KindredError
from kindred.options import Blind, ReadOptions, WriteOptions
from kindred.v1 import kv_pb2, types_pb2
from kindred.values import Context, GetResult, PutResult, ValueLike

R = TypeVar("R")

BatchMethod: TypeAlias = Literal["BatchGet", "BatchWrite"]


@dataclass(frozen=True, slots=True)
class BatchItem(Generic[R]):
    """The result of one item of a batch. An error of one item is a value, and says nothing of the others."""

    index: int
    """Which item: its position in what was asked for, from 0."""
    result: R | KindredError


@dataclass(frozen=True, slots=True)
class Put:
    """A put, as an item of `batch_write`."""

    bucket: str
    key: str | bytes
    value: ValueLike
    context: Context | None = None
    blind: Blind | None = None
    ttl: timedelta | None = None
    expire_time: datetime | None = None
    keep_expiry: bool = False
    write: WriteOptions | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """A delete, as an item of `batch_write`."""

    bucket: str
    key: str | bytes
    context: Context | None = None
    blind: Blind | None = None
    write: WriteOptions | None = None


Mutation: TypeAlias = Put | Delete


class Batch(Generic[R]):
    """The items of one batch, over as many calls as they need.

    Use: while `pending`, make the call that `request` gives, tell each response to `answered`, and its end
    to `ended`, which says how long to wait before the next.
    """

    def __init__(
        self,
        operations: Operations,
        method: BatchMethod,
        items: Sequence[Any],
        request_ids: Sequence[bytes],
        request_of: Callable[[Sequence[Any]], Any],
        result_of: Callable[[Any], R],
    ) -> None:
        self.method: BatchMethod = method
        self._operations = operations
        self._settings = operations.settings
        self._items = items
        self._request_ids = request_ids
        self._request_of = request_of
        self._result_of = result_of
        self._begun_at: float | None = None
        self._stopped_for = 0.0
        self._whole = self._attempts(b"")
        self._attempts_of: dict[int, Attempts] = {}
        self._pending = list(range(len(items)))
        self._unanswered: set[int] = set()
        self._again: list[int] = []
        self._any_answer = False
        self._delay = 0.0
        self._tried: list[int] = []
        self.endpoint = 0

    @property
    def pending(self) -> bool:
        """Whether another call is to be made. The first always is: what is wrong with it the server says."""
        return bool(self._pending) or self._begun_at is None

    def request(self) -> tuple[Any, float]:
        """The message of the next call, which goes to `endpoint`, and its timeout in seconds."""
        if self._begun_at is None:
            self._begun_at = self._operations.clock()
        self.endpoint = self._operations.endpoints.pick((), self._tried)
        self._unanswered = set(self._pending)
        self._again = []
        self._delay = 0.0
        return self._request_of([self._items[index] for index in self._pending]), max(
            0.001, self._settings.timeout - self._elapsed()
        )

    def answered(self, response: Any) -> BatchItem[R] | None:
        """Takes one response of the stream. Answers the item's result; None: it will be tried again."""
        index = self._pending[response.index]
        self._unanswered.discard(index)
        self._any_answer = True
        if not response.HasField("status"):
            return BatchItem(index, self._result_of(response))
        return self._item_failed(index, from_item_status(response.status))

    def ended(self, failure: Failure | None) -> tuple[list[BatchItem[R]], float]:
        """Takes the end of a call. Answers items that failed for good, and how long to wait before the next.

        Raises when the batch failed as a whole before anything was answered.
        """
        results: list[BatchItem[R]] = []
        if failure is None and self._unanswered:
            failure = Failure(grpc.StatusCode.UNAVAILABLE, "the stream ended before all items were answered")
        if failure is not None:
            if failure.broken:
                self._operations.endpoints.broke(self.endpoint)
            give_up = self._failed(self._whole, failure) is None
            if give_up and not self._any_answer:
                raise self._whole.error()
            for index in sorted(self._unanswered):
                item = self._item_failed(index, failure)
                if item is not None:
                    results.append(item)
        self._tried.append(self.endpoint)
        self._pending = sorted(self._again)
        return results, self._delay

    @contextmanager
    def clock_stopped(self) -> Iterator[None]:
        """The time that results are used in is not that of the batch."""
        stopped_at = self._operations.clock()
        try:
            yield
        finally:
            self._stopped_for += self._operations.clock() - stopped_at

    def _elapsed(self) -> float:
        """The seconds of the batch's timeout that are over."""
        now = self._operations.clock()
        return 0.0 if self._begun_at is None else now - self._begun_at - self._stopped_for

    def _item_failed(self, index: int, failure: Failure) -> BatchItem[R] | None:
        attempts = self._attempts_of.get(index)
        if attempts is None:
            attempts = self._attempts_of[index] = self._attempts(self._request_ids[index])
        delay = self._failed(attempts, failure)
        if delay is None:
            return BatchItem(index, attempts.error())
        self._again.append(index)
        self._delay = max(self._delay, delay)
        return None

    def _failed(self, attempts: Attempts, failure: Failure) -> float | None:
        operations = self._operations
        address = operations.endpoints.addresses[self.endpoint]
        return attempts.failed(failure, address, self._elapsed(), operations.chance())

    def _attempts(self, request_id: bytes) -> Attempts:
        write = self.method == "BatchWrite"
        settings = self._settings
        return Attempts(settings.attempts, settings.timeout, write=write, request_id=request_id)


def batch_get(
    operations: Operations, keys: Sequence[tuple[str, str | bytes]], read: ReadOptions | None
) -> Batch[GetResult]:
    messages = [_wire.key_message(bucket, _wire.key_bytes(key)) for bucket, key in keys]
    options = read or operations.settings.read
    read_options = _wire.read_options(options) if options else None

    def request_of(keys: Sequence[types_pb2.Key]) -> kv_pb2.BatchGetRequest:
        return kv_pb2.BatchGetRequest(keys=keys, options=read_options)

    def result_of(response: kv_pb2.BatchGetResponse) -> GetResult:
        return _wire.get_result(response.result)

    return Batch(operations, "BatchGet", messages, [b""] * len(messages), request_of, result_of)


def batch_write(
    operations: Operations, mutations: Sequence[Mutation], write: WriteOptions | None
) -> Batch[PutResult]:
    shared = write or operations.settings.write
    batch_id = request_id(shared)
    messages = [
        _mutation_message(operations.requests, mutation, shared, _item_id(batch_id, index))
        for index, mutation in enumerate(mutations)
    ]
    request_ids = [
        (each.put if each.HasField("put") else each.delete).options.request_id for each in messages
    ]

    def request_of(mutations: Sequence[kv_pb2.Mutation]) -> kv_pb2.BatchWriteRequest:
        return kv_pb2.BatchWriteRequest(mutations=mutations)

    def result_of(response: kv_pb2.BatchWriteResponse) -> PutResult:
        return _wire.put_result(response.put if response.HasField("put") else response.delete)

    return Batch(operations, "BatchWrite", messages, request_ids, request_of, result_of)


def _mutation_message(
    requests: Requests, mutation: Mutation, shared: WriteOptions, item_id: bytes
) -> kv_pb2.Mutation:
    # Every item has an id of its own, so that those without an answer can be sent again without the others.
    write = mutation.write or shared
    if mutation.write is None or mutation.write.request_id is None:
        write = WriteOptions(write.consistency, write.handoff, write.durability, item_id)
    match mutation:
        case Put(bucket, key, value, context, blind, ttl, expire_time, keep_expiry):
            return kv_pb2.Mutation(
                put=requests.put(bucket, key, value, context, blind, ttl, expire_time, keep_expiry, write)
            )
        case Delete(bucket, key, context, blind):
            return kv_pb2.Mutation(delete=requests.delete(bucket, key, context, blind, write))


def _item_id(batch_id: bytes, index: int) -> bytes:
    # As the server derives them: the same batch, sent again with the same id by whatever client, is the same.
    last = int.from_bytes(batch_id[-4:], "big") ^ index
    return batch_id[:-4] + last.to_bytes(4, "big")
