"""The operations on one key, as steps: written once, for the blocking and the asyncio client."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from google.protobuf.message import Message

from kindred import _wire
from kindred._attempts import Attempts
from kindred._endpoints import Endpoints
from kindred._failure import Failure
from kindred._placement import Placements
from kindred._requests import Requests
from kindred._settings import Settings
from kindred._steps import Call, Sleep, Steps
from kindred.options import Blind, ReadOptions, WriteOptions
from kindred.v1 import kv_pb2, topology_pb2
from kindred.values import Context, GetResult, PutResult, TouchResult, ValueLike, WriteOutcome

# Learning the placement is worth this long at most; without it operations go round robin.
_PLACEMENT_TIMEOUT_S = 1.0


class Operations:
    """Operations on keys, with retries. Time and chance are arguments."""

    def __init__(
        self,
        settings: Settings,
        endpoints: Endpoints,
        placements: Placements | None,
        clock: Callable[[], float],
        chance: Callable[[], float],
    ) -> None:
        self.settings = settings
        self.requests = Requests(settings)
        self.endpoints = endpoints
        self.placements = placements
        self.clock = clock
        self.chance = chance

    def with_settings(self, settings: Settings) -> Operations:
        """The same with other settings; what is known of endpoints is shared."""
        return Operations(settings, self.endpoints, self.placements, self.clock, self.chance)

    def get(self, bucket: str, key: str | bytes, read: ReadOptions | None = None) -> Steps[GetResult]:
        name = _wire.key_bytes(key)
        request = self.requests.get(bucket, name, read)
        response: kv_pb2.GetResponse = yield from self._unary("Get", request, bucket, name)
        if self.placements is not None:
            self.placements.saw(bucket, response.report.topology_epoch)
        return _wire.get_result(response)

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
    ) -> Steps[PutResult]:
        request = self.requests.put(bucket, key, value, context, blind, ttl, expire_time, keep_expiry, write)
        response: kv_pb2.PutResponse = yield from self._unary(
            "Put", request, bucket, request.key.key, request.options.request_id
        )
        if self.placements is not None:
            self.placements.saw(bucket, response.report.topology_epoch)
        return _wire.put_result(response)

    def delete(
        self,
        bucket: str,
        key: str | bytes,
        *,
        context: Context | None = None,
        blind: Blind | None = None,
        write: WriteOptions | None = None,
    ) -> Steps[PutResult]:
        request = self.requests.delete(bucket, key, context, blind, write)
        response: kv_pb2.DeleteResponse = yield from self._unary(
            "Delete", request, bucket, request.key.key, request.options.request_id
        )
        if self.placements is not None:
            self.placements.saw(bucket, response.report.topology_epoch)
        return _wire.put_result(response)

    def touch(
        self,
        bucket: str,
        key: str | bytes,
        *,
        ttl: timedelta | None = None,
        expire_time: datetime | None = None,
        context: Context | None = None,
        write: WriteOptions | None = None,
    ) -> Steps[TouchResult]:
        request = self.requests.touch(bucket, key, ttl, expire_time, context, write)
        response: kv_pb2.TouchResponse = yield from self._unary(
            "Touch", request, bucket, request.key.key, request.options.request_id
        )
        return _wire.touch_result(response)

    def write_outcome(
        self, bucket: str, key: str | bytes, request_id: bytes, read: ReadOptions | None = None
    ) -> Steps[WriteOutcome]:
        request = self.requests.write_outcome(bucket, key, request_id, read)
        response: kv_pb2.GetWriteOutcomeResponse = yield from self._unary(
            "GetWriteOutcome", request, bucket, request.key.key
        )
        return _wire.write_outcome(response)

    def homes(self, bucket: str, key: str | bytes) -> Steps[list[str]]:
        """The ids of the nodes that direct routing prefers for a key. Empty: it is off, or knows nothing."""
        if self.placements is None:
            return []
        if self.placements.ask(bucket, self.clock()):
            yield from self.learn_placement(bucket)
        return self.placements.home_ids(bucket, _wire.key_bytes(key))

    def _unary(
        self, method: str, request: Message, bucket: str, key: bytes, request_id: bytes = b""
    ) -> Steps[Any]:
        settings = self.settings
        now = self.clock()
        deadline = now + settings.timeout
        # Made when one has failed, which is rare.
        attempts: Attempts | None = None
        homes: Sequence[int] = ()
        if self.placements is not None:
            if self.placements.ask(bucket, now):
                yield from self.learn_placement(bucket, min(_PLACEMENT_TIMEOUT_S, settings.timeout / 2))
                now = self.clock()
            homes = self.placements.homes(bucket, key)
        tried: list[int] = []
        while True:
            endpoint = self.endpoints.pick(homes, tried)
            reply = yield Call(method, request, endpoint, deadline - now)
            if not isinstance(reply, Failure):
                return reply
            if reply.broken:
                self.endpoints.broke(endpoint)
            if attempts is None:
                attempts = Attempts(
                    settings.attempts, deadline, write=bool(request_id), request_id=request_id
                )
            delay = attempts.failed(reply, self.endpoints.addresses[endpoint], self.clock(), self.chance())
            if delay is None:
                raise attempts.error()
            tried.append(endpoint)
            yield Sleep(delay)
            now = self.clock()

    def learn_placement(self, bucket: str, timeout: float = _PLACEMENT_TIMEOUT_S) -> Steps[None]:
        """Asks a node for the placement of a bucket. Without an answer all stays as it is."""
        request = topology_pb2.GetPlacementRequest(bucket=bucket)
        reply = yield Call("GetPlacement", request, self.endpoints.pick(), timeout)
        if self.placements is not None and not isinstance(reply, Failure):
            self.placements.learn(bucket, reply)
