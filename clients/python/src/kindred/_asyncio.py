"""Carries out steps on the event loop."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import AsyncIterator
from typing import Any, cast

import grpc
from grpc import aio

from kindred._batch import Batch, BatchItem, R
from kindred._endpoints import Endpoints
from kindred._failure import Failure, client_closed, from_rpc_error
from kindred._settings import CHANNEL_OPTIONS, call_metadata, channel_credentials
from kindred._steps import Apply, Call, Sleep, Step, Steps, T
from kindred.errors import ClientClosedError
from kindred.options import Tls
from kindred.v1.kv_pb2_grpc import KeyValueServiceStub
from kindred.v1.topology_pb2_grpc import TopologyServiceStub


class Connections:
    """One channel for each endpoint, opened when first needed: clients may be made before a loop runs."""

    def __init__(self, endpoints: Endpoints, tls: Tls | None, token: str | None) -> None:
        self._endpoints = endpoints
        self._credentials = channel_credentials(tls) if tls else None
        self.metadata = call_metadata(token)
        self._closed = False
        self._channels: dict[int, aio.Channel] = {}
        self._methods: dict[int, dict[str, Any]] = {}
        self._watches: dict[int, asyncio.Task[None]] = {}
        endpoints.on_unreachable = self._watch

    def methods(self, endpoint: int) -> dict[str, Any]:
        """The methods of the stubs of an endpoint, by name."""
        methods = self._methods.get(endpoint)
        if methods is not None:
            return methods
        if not self._channels:
            for index in range(len(self._endpoints.addresses)):
                self._open(index)
        return self._methods.get(endpoint) or self._open(endpoint)

    async def close(self) -> None:
        self._closed = True
        channels = list(self._channels.values())
        self._channels.clear()
        self._methods.clear()
        watches = list(self._watches.values())
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)
        for channel in channels:
            await channel.close()

    async def run(self, steps: Steps[T]) -> T:
        """Carries out an operation."""
        reply: Any = None
        while True:
            try:
                step = steps.send(reply)
            except StopIteration as done:
                return cast(T, done.value)
            reply = await self._carry_out(step)

    async def run_batch(self, batch: Batch[R]) -> AsyncIterator[BatchItem[R]]:
        """Makes the calls of a batch, and yields the items that each answered."""
        while batch.pending:
            items, failure = await self._call_batch(batch)
            failed, delay = batch.ended(failure)
            with batch.clock_stopped():
                for item in items + failed:
                    yield item
            if batch.pending:
                await asyncio.sleep(delay)

    async def _call_batch(self, batch: Batch[R]) -> tuple[list[BatchItem[R]], Failure | None]:
        """One call of a batch: the items that it answered, and how it failed."""
        # All are taken before any is handed out: a deadline does not wait for whoever uses them.
        items: list[BatchItem[R]] = []
        request, timeout = batch.request()
        try:
            make = self.methods(batch.endpoint)[batch.method]
            call = make(request, timeout=timeout, metadata=self.metadata)
            try:
                async for response in call:
                    item = batch.answered(response)
                    if item is not None:
                        items.append(item)
            finally:
                call.cancel()
        except grpc.RpcError as error:
            return items, from_rpc_error(error)
        except (ClientClosedError, aio.UsageError) as error:
            return items, self._when_closed(error)
        except asyncio.CancelledError as error:
            return items, self._when_cancelled(error)
        return items, None

    async def _carry_out(self, step: Step) -> Any:
        match step:
            case Call(method, request, endpoint, timeout):
                try:
                    make = self.methods(endpoint)[method]
                    return await make(request, timeout=timeout, metadata=self.metadata)
                except grpc.RpcError as error:
                    return from_rpc_error(error)
                except (ClientClosedError, aio.UsageError) as error:
                    return self._when_closed(error)
                except asyncio.CancelledError as error:
                    return self._when_cancelled(error)
            case Sleep(seconds):
                await asyncio.sleep(seconds)
                return None
            case Apply(function, argument):
                result = function(argument)
                return await result if inspect.isawaitable(result) else result

    def _when_closed(self, error: Exception) -> Failure:
        # A UsageError is what gRPC raises for a channel that has just been closed.
        if not self._closed:
            raise error
        return client_closed(error)

    def _when_cancelled(self, error: asyncio.CancelledError) -> Failure:
        # Closing a channel cancels its calls, and so what waits for them, though nobody cancelled the task.
        if not self._closed or _task_is_cancelled():
            raise error
        return Failure(grpc.StatusCode.CANCELLED, "the client was closed meanwhile", cause=error)

    def _check_open(self) -> None:
        if self._closed:
            raise ClientClosedError("client")

    def _open(self, endpoint: int) -> dict[str, Any]:
        self._check_open()
        address = self._endpoints.addresses[endpoint]
        if self._credentials is None:
            channel = aio.insecure_channel(address, CHANNEL_OPTIONS)
        else:
            channel = aio.secure_channel(address, self._credentials, CHANNEL_OPTIONS)
        self._channels[endpoint] = channel
        methods = {**vars(KeyValueServiceStub(channel)), **vars(TopologyServiceStub(channel))}
        self._methods[endpoint] = methods
        self._watch(endpoint)
        return methods

    def _watch(self, endpoint: int) -> None:
        """Watches a connection until it is ready."""
        channel = self._channels.get(endpoint)
        if channel is not None and endpoint not in self._watches:
            loop = asyncio.get_running_loop()
            self._watches[endpoint] = loop.create_task(self._until_ready(endpoint, channel))

    async def _until_ready(self, endpoint: int, channel: aio.Channel) -> None:
        state = channel.get_state(try_to_connect=True)
        while state is not grpc.ChannelConnectivity.READY:
            if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                self._endpoints.broke(endpoint)
            await channel.wait_for_state_change(state)
            state = channel.get_state(try_to_connect=True)
        # First, so that whoever finds it broken from now on watches it anew.
        self._watches.pop(endpoint, None)
        self._endpoints.ready(endpoint)


def _task_is_cancelled() -> bool:
    # Before 3.11 tasks do not tell.
    task = asyncio.current_task()
    return sys.version_info >= (3, 11) and task is not None and task.cancelling() > 0
