"""Carries out steps on the event loop."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from typing import Any, cast

import grpc
from grpc import aio

from kindred._batch import Batch, BatchItem, R
from kindred._endpoints import Endpoints
from kindred._failure import Failure, from_rpc_error
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
        """Makes the calls of a batch, and yields its items as they come."""
        while batch.pending:
            request, timeout = batch.request()
            call = self.methods(batch.endpoint)[batch.method](
                request, timeout=timeout, metadata=self.metadata
            )
            failure: Failure | None = None
            try:
                async for response in call:
                    item = batch.answered(response)
                    if item is not None:
                        yield item
            except grpc.RpcError as error:
                failure = from_rpc_error(error)
            finally:
                # Also when nobody wants the rest.
                call.cancel()
            failed, delay = batch.ended(failure)
            for item in failed:
                yield item
            if batch.pending:
                await asyncio.sleep(delay)

    async def _carry_out(self, step: Step) -> Any:
        match step:
            case Call(method, request, endpoint, timeout):
                make = self.methods(endpoint)[method]
                try:
                    return await make(request, timeout=timeout, metadata=self.metadata)
                except grpc.RpcError as error:
                    return from_rpc_error(error)
                except aio.UsageError:
                    # What gRPC raises for a channel that has just been closed.
                    self._check_open()
                    raise
            case Sleep(seconds):
                await asyncio.sleep(seconds)
                return None
            case Apply(function, argument):
                result = function(argument)
                return await result if inspect.isawaitable(result) else result

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
            watch = asyncio.get_running_loop().create_task(self._until_ready(endpoint, channel))
            self._watches[endpoint] = watch
            watch.add_done_callback(lambda _: self._watches.pop(endpoint, None))

    async def _until_ready(self, endpoint: int, channel: aio.Channel) -> None:
        state = channel.get_state(try_to_connect=True)
        while state is not grpc.ChannelConnectivity.READY:
            if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                self._endpoints.broke(endpoint)
            await channel.wait_for_state_change(state)
            state = channel.get_state(try_to_connect=True)
        self._endpoints.ready(endpoint)
