"""The asyncio client's pipeline: many operations in flight."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any

import grpc
from grpc import aio

from kindred import _pipeline
from kindred._asyncio import Connections
from kindred._failure import Failure, from_rpc_error
from kindred._operations import Operations
from kindred._pipeline import IN_FLIGHT, Lane, PipelineCore, Settled
from kindred.errors import ClientClosedError, InvalidRequestError
from kindred.options import Blind, ReadOptions, WriteOptions
from kindred.v1 import kv_pb2
from kindred.values import Context, GetResult, PutResult, TouchResult, ValueLike

if TYPE_CHECKING:
    from typing_extensions import Self


class AsyncPipeline:
    """Sends operations without waiting for the ones before; what is ready together travels together.

    Awaiting a method waits until fewer than `in_flight` operations are under way, and answers a future, which
    in turn is awaited for the result::

        async with client.pipeline() as pipeline:
            future = await pipeline.get("carts", "ann")
            ...
            result = await future

    Operations are independent of each other, also those on one key: wait for a put before a get that is to
    see it. Cancelling a future stops nobody: its operation goes on.
    """

    def __init__(self, connections: Connections, operations: Operations, in_flight: int = IN_FLIGHT) -> None:
        if in_flight < 1:
            raise InvalidRequestError(f"in_flight is at least 1, not {in_flight}")
        self._connections = connections
        self._operations = operations
        self._requests = operations.requests
        self._core: PipelineCore[asyncio.Future[Any]] = PipelineCore(operations)
        self._room = asyncio.Semaphore(in_flight)
        self._idle = asyncio.Event()
        self._idle.set()
        self._work: dict[int, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._ended = False

    async def get(
        self, bucket: str, key: str | bytes, *, read: ReadOptions | None = None
    ) -> asyncio.Future[GetResult]:
        """As `AsyncClient.get`."""
        request = self._requests.get(bucket, key, read)
        return await self._submit(kv_pb2.Operation(get=request), request, _pipeline.get_result)

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
    ) -> asyncio.Future[PutResult]:
        """As `AsyncClient.put`."""
        request = self._requests.put(bucket, key, value, context, blind, ttl, expire_time, keep_expiry, write)
        return await self._submit(kv_pb2.Operation(put=request), request, _pipeline.put_result)

    async def delete(
        self,
        bucket: str,
        key: str | bytes,
        *,
        context: Context | None = None,
        blind: Blind | None = None,
        write: WriteOptions | None = None,
    ) -> asyncio.Future[PutResult]:
        """As `AsyncClient.delete`."""
        request = self._requests.delete(bucket, key, context, blind, write)
        return await self._submit(kv_pb2.Operation(delete=request), request, _pipeline.delete_result)

    async def touch(
        self,
        bucket: str,
        key: str | bytes,
        *,
        ttl: timedelta | None = None,
        expire_time: datetime | None = None,
        context: Context | None = None,
        write: WriteOptions | None = None,
    ) -> asyncio.Future[TouchResult]:
        """As `AsyncClient.touch`."""
        request = self._requests.touch(bucket, key, ttl, expire_time, context, write)
        return await self._submit(kv_pb2.Operation(touch=request), request, _pipeline.touch_result)

    async def close(self) -> None:
        """Takes no more operations, and waits until all have their result."""
        self._closed = True
        await self._idle.wait()
        self._ended = True
        for work in self._work.values():
            work.set()
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _submit(
        self,
        message: kv_pb2.Operation,
        request: Any,
        result_of: Callable[[kv_pb2.OperationResult], Any],
    ) -> asyncio.Future[Any]:
        await self._room.acquire()
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        try:
            if self._closed:
                raise ClientClosedError("pipeline")
            lane, new = self._core.submit(message, request, result_of, future)
        except BaseException:
            self._room.release()
            raise
        self._idle.clear()
        self._wake(lane, new)
        if self._timer is None:
            self._keep_time()
        if self._core.placement_wanted(request.key.bucket):
            self._start(self._learn_placement(request.key.bucket))
        return future

    def _wake(self, lane: Lane[asyncio.Future[Any]], new: bool) -> None:
        if new:
            self._work[lane.endpoint] = asyncio.Event()
            self._start(self._serve(lane, self._work[lane.endpoint]))
        self._work[lane.endpoint].set()

    def _start(self, coroutine: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _serve(self, lane: Lane[asyncio.Future[Any]], work: asyncio.Event) -> None:
        """The life of a stream: reads what it answers, while another task writes to it."""
        writing: asyncio.Task[None] | None = None
        failure: Failure | None = None
        try:
            call = self._connections.methods(lane.endpoint)["Pipeline"](metadata=self._connections.metadata)
            writing = self._start(self._write(lane, call, work))
            while (response := await call.read()) is not aio.EOF:
                self._resolve(self._core.answered(lane, response))
        except grpc.RpcError as error:
            failure = from_rpc_error(error)
        except (ClientClosedError, aio.UsageError, asyncio.CancelledError) as error:
            failure = Failure(grpc.StatusCode.CANCELLED, "the client is closed", cause=error)
        self._resolve(self._core.ended(lane, failure))
        # The writer finds the lane closed.
        work.set()
        if writing is not None:
            await writing

    async def _write(self, lane: Lane[asyncio.Future[Any]], call: Any, work: asyncio.Event) -> None:
        try:
            while lane.open:
                group = self._core.next_group(lane)
                if group is not None:
                    await call.write(group)
                elif self._ended:
                    await call.done_writing()
                    return
                else:
                    work.clear()
                    await work.wait()
        except (grpc.RpcError, asyncio.InvalidStateError, asyncio.CancelledError):
            # The reader hears of it too, and why.
            return

    def _keep_time(self) -> None:
        if not self._core.outstanding:
            return
        loop = asyncio.get_running_loop()
        due = loop.time() + self._core.until_tick()
        if self._timer is not None and self._timer.when() <= due:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        settled, assigned = self._core.tick()
        for lane, new in assigned:
            self._wake(lane, new)
        self._resolve(settled)
        self._keep_time()

    async def _learn_placement(self, bucket: str) -> None:
        await self._connections.run(self._operations.learn_placement(bucket))

    def _resolve(self, settled: list[Settled[asyncio.Future[Any]]]) -> None:
        for each in settled:
            self._room.release()
            # Done: cancelled by whoever had it.
            if each.sink.done():
                continue
            if each.error is None:
                each.sink.set_result(each.result)
            else:
                each.sink.set_exception(each.error)
        if not self._core.outstanding:
            self._idle.set()
        elif self._core.delayed:
            self._keep_time()
