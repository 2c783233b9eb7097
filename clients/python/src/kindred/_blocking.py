"""Carries out steps by blocking the thread that asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Protocol

import grpc

from kindred._batch import Batch, BatchItem, R
from kindred._endpoints import Endpoints
from kindred._failure import Failure, client_closed, from_rpc_error
from kindred._settings import CHANNEL_OPTIONS, call_metadata, channel_credentials
from kindred._steps import Call, Sleep, Step, Steps, T
from kindred.errors import ClientClosedError
from kindred.options import Tls
from kindred.v1.kv_pb2_grpc import KeyValueServiceStub
from kindred.v1.topology_pb2_grpc import TopologyServiceStub

_CANCELLED = "cancelled by the caller"
_CONNECTING_WITHIN_S = 1.0


class _Cancellable(Protocol):
    def cancel(self) -> object: ...


class Cancellation:
    """Lets one thread cancel what another is waiting for::

        cancellation = Cancellation()
        patient = client.with_cancellation(cancellation)

    `patient` raises a `KindredError` with the code CANCELLED as soon as somebody calls `cancel`. The outcome
    of a write under way is UNKNOWN then.
    """

    def __init__(self) -> None:
        self._cancelled = threading.Event()
        self._lock = threading.Lock()
        self._calls: set[_Cancellable] = set()

    def cancel(self) -> None:
        """Cancels what is under way, and all that is begun afterwards."""
        with self._lock:
            self._cancelled.set()
            calls = list(self._calls)
        for call in calls:
            call.cancel()

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    @contextmanager
    def _covers(self, call: _Cancellable) -> Iterator[None]:
        with self._lock:
            self._calls.add(call)
        try:
            if self.cancelled:
                call.cancel()
            yield
        finally:
            with self._lock:
                self._calls.discard(call)


class Connections:
    """One channel for each endpoint, opened when first needed."""

    def __init__(self, endpoints: Endpoints, tls: Tls | None, token: str | None) -> None:
        self._endpoints = endpoints
        self._credentials = channel_credentials(tls) if tls else None
        self.metadata = call_metadata(token)
        self._lock = threading.Lock()
        self._closed = False
        self._channels: dict[int, grpc.Channel] = {}
        self._methods: dict[int, dict[str, Any]] = {}
        self._watches: dict[int, threading.Event] = {}
        endpoints.on_unreachable = self._watch
        for index in range(len(endpoints.addresses)):
            self.methods(index)

    def methods(self, endpoint: int) -> dict[str, Any]:
        """The methods of the stubs of an endpoint, by name."""
        methods = self._methods.get(endpoint)
        return methods if methods is not None else self._open(endpoint)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            channels = list(self._channels.values())
            watches = list(self._watches.values())
            self._channels.clear()
            self._methods.clear()
        for connecting in watches:
            # gRPC's polling thread fails, aloud, if it was asked to connect a channel that is closed since.
            connecting.wait(_CONNECTING_WITHIN_S)
        for channel in channels:
            channel.close()

    def run(self, steps: Steps[T], cancellation: Cancellation | None) -> T:
        """Carries out an operation."""
        reply: Any = None
        while True:
            try:
                step = steps.send(reply)
            except StopIteration as done:
                result: T = done.value
                return result
            reply = self._carry_out(step, cancellation)

    def run_batch(self, batch: Batch[R], cancellation: Cancellation | None) -> Iterator[BatchItem[R]]:
        """Makes the calls of a batch, and yields the items that each answered."""
        while batch.pending:
            items, failure = self._call_batch(batch, cancellation)
            failed, delay = batch.ended(failure)
            with batch.clock_stopped():
                yield from items
                yield from failed
            if batch.pending:
                _sleep(delay, cancellation)

    def _call_batch(
        self, batch: Batch[R], cancellation: Cancellation | None
    ) -> tuple[list[BatchItem[R]], Failure | None]:
        """One call of a batch: the items that it answered, and how it failed."""
        # All are taken before any is handed out: a deadline does not wait for whoever uses them.
        items: list[BatchItem[R]] = []
        request, timeout = batch.request()
        try:
            make = self.methods(batch.endpoint)[batch.method]
            call = make(request, timeout=timeout, metadata=self.metadata)
            try:
                with cancellation._covers(call) if cancellation else nullcontext():
                    for response in call:
                        item = batch.answered(response)
                        if item is not None:
                            items.append(item)
            finally:
                call.cancel()
        except grpc.RpcError as error:
            return items, from_rpc_error(error)
        except (ClientClosedError, ValueError) as error:
            return items, self._when_closed(error)
        return items, None

    def _carry_out(self, step: Step, cancellation: Cancellation | None) -> Any:
        if isinstance(step, Call):
            try:
                make = self.methods(step.endpoint)[step.method]
                if cancellation is None:
                    return make(step.request, timeout=step.timeout, metadata=self.metadata)
                if cancellation.cancelled:
                    return Failure(grpc.StatusCode.CANCELLED, _CANCELLED, sent=False)
                call = make.future(step.request, timeout=step.timeout, metadata=self.metadata)
                with cancellation._covers(call):
                    return call.result()
            except grpc.RpcError as error:
                return from_rpc_error(error)
            except grpc.FutureCancelledError as error:
                return Failure(grpc.StatusCode.CANCELLED, _CANCELLED, cause=error)
            except (ClientClosedError, ValueError) as error:
                return self._when_closed(error)
        if isinstance(step, Sleep):
            _sleep(step.seconds, cancellation)
            return None
        return step.function(step.argument)

    def _when_closed(self, error: Exception) -> Failure:
        # A ValueError is what gRPC raises for a channel that another thread has just closed.
        if not self._closed:
            raise error
        return client_closed(error)

    def _check_open(self) -> None:
        if self._closed:
            raise ClientClosedError("client")

    def _open(self, endpoint: int) -> dict[str, Any]:
        with self._lock:
            self._check_open()
            if endpoint not in self._methods:
                address = self._endpoints.addresses[endpoint]
                if self._credentials is None:
                    channel = grpc.insecure_channel(address, CHANNEL_OPTIONS)
                else:
                    channel = grpc.secure_channel(address, self._credentials, CHANNEL_OPTIONS)
                self._channels[endpoint] = channel
                self._methods[endpoint] = {
                    **vars(KeyValueServiceStub(channel)),
                    **vars(TopologyServiceStub(channel)),
                }
            methods = self._methods[endpoint]
        self._watch(endpoint, connect=True)
        return methods

    def _watch(self, endpoint: int, *, connect: bool = False) -> None:
        """Watches a connection until it is ready. gRPC polls for it, so not for any longer."""
        with self._lock:
            channel = self._channels.get(endpoint)
            if channel is None or endpoint in self._watches:
                return
            connecting = self._watches[endpoint] = threading.Event()
        asked = connect

        def changed(state: grpc.ChannelConnectivity) -> None:
            nonlocal asked
            if state is grpc.ChannelConnectivity.IDLE:
                if not asked:
                    asked = True
                    connecting.clear()
                    channel.unsubscribe(changed)
                    channel.subscribe(changed, try_to_connect=True)
                return
            asked = False
            connecting.set()
            if state is grpc.ChannelConnectivity.READY:
                channel.unsubscribe(changed)
                self._watches.pop(endpoint, None)
                self._endpoints.ready(endpoint)
            elif state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                self._endpoints.broke(endpoint)

        channel.subscribe(changed, try_to_connect=connect)


def _sleep(seconds: float, cancellation: Cancellation | None) -> None:
    if cancellation is None:
        time.sleep(seconds)
    else:
        cancellation._cancelled.wait(seconds)
