"""The blocking client's pipeline: many operations in flight, from as many threads as you like."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import datetime, timedelta
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any

import grpc

from kindred import _pipeline
from kindred._blocking import Connections
from kindred._failure import Failure, from_rpc_error
from kindred._operations import Operations
from kindred._pipeline import IN_FLIGHT, Lane, PipelineCore, Settled
from kindred.errors import ClientClosedError, InvalidRequestError
from kindred.options import Blind, ReadOptions, WriteOptions
from kindred.v1 import kv_pb2
from kindred.values import Context, GetResult, PutResult, TouchResult, ValueLike

if TYPE_CHECKING:
    from typing_extensions import Self


class Pipeline:
    """Sends operations without waiting for the ones before; what is ready together travels together.

    Each method answers a future at once, or as soon as fewer than `in_flight` operations are under way.
    Operations are independent of each other, also those on one key: wait for a put before a get that is to
    see it. The futures cannot be cancelled.
    """

    def __init__(self, connections: Connections, operations: Operations, in_flight: int = IN_FLIGHT) -> None:
        if in_flight < 1:
            raise InvalidRequestError(f"in_flight is at least 1, not {in_flight}")
        self._connections = connections
        self._operations = operations
        self._requests = operations.requests
        self._in_flight = in_flight
        self._core: PipelineCore[Future[Any]] = PipelineCore(operations)
        lock = threading.Lock()
        self._lock = lock
        # Three things to wait for, under one lock.
        self._room = threading.Condition(lock)
        self._work = threading.Condition(lock)
        self._ticks = threading.Condition(lock)
        self._closed = False
        self._ended = False
        self._threads: list[threading.Thread] = []
        self._start(self._keep_time, "clock")

    def get(self, bucket: str, key: str | bytes, *, read: ReadOptions | None = None) -> Future[GetResult]:
        """As `Client.get`."""
        request = self._requests.get(bucket, key, read)
        return self._submit(kv_pb2.Operation(get=request), request, _pipeline.get_result)

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
    ) -> Future[PutResult]:
        """As `Client.put`."""
        request = self._requests.put(bucket, key, value, context, blind, ttl, expire_time, keep_expiry, write)
        return self._submit(kv_pb2.Operation(put=request), request, _pipeline.put_result)

    def delete(
        self,
        bucket: str,
        key: str | bytes,
        *,
        context: Context | None = None,
        blind: Blind | None = None,
        write: WriteOptions | None = None,
    ) -> Future[PutResult]:
        """As `Client.delete`."""
        request = self._requests.delete(bucket, key, context, blind, write)
        return self._submit(kv_pb2.Operation(delete=request), request, _pipeline.delete_result)

    def touch(
        self,
        bucket: str,
        key: str | bytes,
        *,
        ttl: timedelta | None = None,
        expire_time: datetime | None = None,
        context: Context | None = None,
        write: WriteOptions | None = None,
    ) -> Future[TouchResult]:
        """As `Client.touch`."""
        request = self._requests.touch(bucket, key, ttl, expire_time, context, write)
        return self._submit(kv_pb2.Operation(touch=request), request, _pipeline.touch_result)

    def close(self) -> None:
        """Takes no more operations, and waits until all have their result."""
        with self._lock:
            self._closed = True
            while self._core.outstanding:
                self._room.wait()
            self._ended = True
            self._work.notify_all()
            self._ticks.notify_all()
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _submit(
        self,
        message: kv_pb2.Operation,
        request: Any,
        result_of: Callable[[kv_pb2.OperationResult], Any],
    ) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        core = self._core
        with self._lock:
            while core.outstanding >= self._in_flight and not self._closed:
                self._room.wait()
            if self._closed:
                raise ClientClosedError("pipeline")
            lane, new = core.submit(message, request, result_of, future)
            if new:
                self._start(partial(self._read, lane), f"lane {lane.endpoint}")
            elif len(lane.waiting) == 1:
                self._work.notify_all()
            if core.outstanding == 1:
                self._ticks.notify()
            if core.placement_wanted(request.key.bucket):
                self._start(partial(self._learn_placement, request.key.bucket), "placement")
        return future

    def _start(self, run: Callable[[], None], name: str) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=run, name=f"kindred pipeline {name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _groups(self, lane: Lane[Future[Any]]) -> Iterator[kv_pb2.PipelineRequest]:
        """What gRPC writes to a stream, on a thread of its own: it asks for more when the last is written."""
        while True:
            with self._lock:
                while (group := self._core.next_group(lane)) is None:
                    if self._ended or not lane.open:
                        return
                    self._work.wait()
            yield group

    def _read(self, lane: Lane[Future[Any]]) -> None:
        failure: Failure | None = None
        try:
            stream = self._connections.methods(lane.endpoint)["Pipeline"]
            for response in stream(self._groups(lane), metadata=self._connections.metadata):
                with self._lock:
                    settled = self._core.answered(lane, response)
                    self._room.notify_all()
                    if self._core.delayed:
                        self._ticks.notify()
                _resolve(settled)
        except grpc.RpcError as error:
            failure = from_rpc_error(error)
        except (ClientClosedError, ValueError) as error:
            # What gRPC raises for a channel that is closed.
            failure = Failure(grpc.StatusCode.CANCELLED, "the client is closed", cause=error)
        with self._lock:
            settled = self._core.ended(lane, failure)
            self._room.notify_all()
            self._work.notify_all()
            self._ticks.notify()
        _resolve(settled)

    def _learn_placement(self, bucket: str) -> None:
        self._connections.run(self._operations.learn_placement(bucket), None)

    def _keep_time(self) -> None:
        while True:
            with self._lock:
                if self._ended:
                    return
                self._ticks.wait(self._core.until_tick() if self._core.outstanding else None)
                settled, assigned = self._core.tick()
                for lane, new in assigned:
                    if new:
                        self._start(partial(self._read, lane), f"lane {lane.endpoint}")
                if assigned:
                    self._work.notify_all()
                if settled:
                    self._room.notify_all()
            _resolve(settled)


def _resolve(settled: list[Settled[Future[Any]]]) -> None:
    # Not under the lock: whoever waits for a future may do as they please.
    for each in settled:
        if each.error is None:
            each.sink.set_result(each.result)
        else:
            each.sink.set_exception(each.error)
