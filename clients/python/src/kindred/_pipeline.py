"""Many operations in flight over streams: what goes into the next message, and what becomes of each.

A pipeline has a lane for each endpoint it uses: a stream, what waits to be written to it, and what was
written and has no answer yet. Nothing here waits or sends; the pipelines of the two clients do, and they
hold a lock around every call where threads are about.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import grpc

from kindred import _wire
from kindred._attempts import Attempts
from kindred._failure import Failure, from_item_status
from kindred._operations import Operations
from kindred.errors import InvalidRequestError, KindredError
from kindred.v1 import kv_pb2

IN_FLIGHT = 1_024
GROUP_OPERATIONS_MAX = 1_000
GROUP_BYTES_MAX = 1024 * 1024
# The server takes no larger message, and would end the stream with all that is on it.
OPERATION_BYTES_MAX = 4 * 1024 * 1024
# How often operations are looked through for those whose time is over.
TICK_S = 0.1
# The server gives up a little before the deadline, and its answer says more than silence does.
_OVERDUE_S = 0.02

S = TypeVar("S")


class Pipelined(Generic[S]):
    """One operation on its way. `sink` is where its result goes, a future of whatever kind."""

    __slots__ = ("attempts", "bucket", "key", "message", "result_of", "sink", "size", "tried")

    def __init__(
        self,
        message: kv_pb2.Operation,
        bucket: str,
        key: bytes,
        attempts: Attempts,
        result_of: Callable[[kv_pb2.OperationResult], Any],
        sink: S,
    ) -> None:
        self.message = message
        self.bucket = bucket
        self.key = key
        self.attempts = attempts
        self.result_of = result_of
        self.sink = sink
        self.size = message.ByteSize()
        self.tried: list[int] = []


class Settled(Generic[S]):
    """An operation that is over: `error`, or else `result`."""

    __slots__ = ("error", "result", "sink")

    def __init__(self, sink: S, result: Any = None, error: KindredError | None = None) -> None:
        self.sink = sink
        self.result = result
        self.error = error


class Lane(Generic[S]):
    """A stream to one endpoint, or one that is to be opened."""

    __slots__ = ("endpoint", "in_flight", "open", "waiting")

    def __init__(self, endpoint: int) -> None:
        self.endpoint = endpoint
        self.open = True
        self.waiting: deque[Pipelined[S]] = deque()
        self.in_flight: dict[int, Pipelined[S]] = {}


def get_result(result: kv_pb2.OperationResult) -> Any:
    return _wire.get_result(result.get)


def put_result(result: kv_pb2.OperationResult) -> Any:
    return _wire.put_result(result.put)


def delete_result(result: kv_pb2.OperationResult) -> Any:
    return _wire.put_result(result.delete)


def touch_result(result: kv_pb2.OperationResult) -> Any:
    return _wire.touch_result(result.touch)


class PipelineCore(Generic[S]):
    """The operations of one pipeline."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._endpoints = operations.endpoints
        self._lanes: dict[int, Lane[S]] = {}
        self._ids = itertools.count(1)
        self._later: list[tuple[float, int, Pipelined[S]]] = []
        self.outstanding = 0
        """How many operations have no result yet."""

    def submit(
        self,
        message: kv_pb2.Operation,
        request: kv_pb2.GetRequest | kv_pb2.PutRequest | kv_pb2.DeleteRequest | kv_pb2.TouchRequest,
        result_of: Callable[[kv_pb2.OperationResult], Any],
        sink: S,
    ) -> tuple[Lane[S], bool]:
        """Takes an operation. Answers its lane, and whether that is new: then its stream is to be opened."""
        settings = self._operations.settings
        write = not isinstance(request, kv_pb2.GetRequest)
        request_id = b"" if isinstance(request, kv_pb2.GetRequest) else request.options.request_id
        deadline = self._operations.clock() + settings.timeout
        attempts = Attempts(settings.attempts, deadline, write=write, request_id=request_id)
        pipelined = Pipelined(message, request.key.bucket, request.key.key, attempts, result_of, sink)
        if pipelined.size > OPERATION_BYTES_MAX:
            raise InvalidRequestError(
                f"an operation has at most {OPERATION_BYTES_MAX:,} bytes, not {pipelined.size:,}"
            )
        self.outstanding += 1
        return self._assign(pipelined)

    def next_group(self, lane: Lane[S]) -> kv_pb2.PipelineRequest | None:
        """The next message for a lane: all that waits, within the limits. None: nothing does."""
        waiting = lane.waiting
        if not waiting:
            return None
        now = self._operations.clock()
        group: list[kv_pb2.Operation] = []
        size = 0
        while waiting and len(group) < GROUP_OPERATIONS_MAX:
            pipelined = waiting[0]
            size += pipelined.size
            if group and size > GROUP_BYTES_MAX:
                break
            waiting.popleft()
            message = pipelined.message
            message.id = next(self._ids)
            micros = max(1, int((pipelined.attempts.deadline - now) * 1_000_000))
            message.timeout.seconds, micros = divmod(micros, 1_000_000)
            message.timeout.nanos = micros * 1_000
            lane.in_flight[message.id] = pipelined
            group.append(message)
        return kv_pb2.PipelineRequest(operations=group)

    def answered(self, lane: Lane[S], response: kv_pb2.PipelineResponse) -> list[Settled[S]]:
        """Takes a message of a lane's stream."""
        placements = self._operations.placements
        settled: list[Settled[S]] = []
        for result in response.results:
            # Unknown ids are of operations whose time was over before.
            pipelined = lane.in_flight.pop(result.id, None)
            if pipelined is None:
                continue
            if result.HasField("status"):
                self._failed(pipelined, lane.endpoint, from_item_status(result.status), settled)
            else:
                value = pipelined.result_of(result)
                if placements is not None and value.report is not None:
                    placements.saw(pipelined.bucket, value.report.topology_epoch)
                settled.append(Settled(pipelined.sink, result=value))
        self.outstanding -= len(settled)
        return settled

    def ended(self, lane: Lane[S], failure: Failure | None) -> list[Settled[S]]:
        """Takes the end of a lane's stream; None: in good order. What had no answer is tried elsewhere."""
        lane.open = False
        if self._lanes.get(lane.endpoint) is lane:
            del self._lanes[lane.endpoint]
        if failure is None:
            failure = Failure(grpc.StatusCode.UNAVAILABLE, "the stream ended without an answer")
        elif failure.broken:
            self._endpoints.broke(lane.endpoint)
        settled: list[Settled[S]] = []
        unsent = Failure(failure.code, failure.message, failure.detail, sent=False, cause=failure.cause)
        for pipelined in lane.in_flight.values():
            self._failed(pipelined, lane.endpoint, failure, settled)
        for pipelined in lane.waiting:
            self._failed(pipelined, lane.endpoint, unsent, settled)
        lane.in_flight.clear()
        lane.waiting.clear()
        self.outstanding -= len(settled)
        return settled

    def tick(self) -> tuple[list[Settled[S]], list[tuple[Lane[S], bool]]]:
        """Gives up what is overdue, and assigns what waited for another attempt, as `submit` does."""
        now = self._operations.clock()
        settled: list[Settled[S]] = []
        for lane in self._lanes.values():
            for number, pipelined in list(lane.in_flight.items()):
                if pipelined.attempts.deadline + _OVERDUE_S < now:
                    del lane.in_flight[number]
                    self._failed(pipelined, lane.endpoint, _overdue(sent=True), settled)
            if lane.waiting and lane.waiting[0].attempts.deadline < now:
                late = [each for each in lane.waiting if each.attempts.deadline < now]
                lane.waiting = deque(each for each in lane.waiting if each.attempts.deadline >= now)
                for pipelined in late:
                    self._failed(pipelined, lane.endpoint, _overdue(sent=False), settled)
        self.outstanding -= len(settled)
        assigned: list[tuple[Lane[S], bool]] = []
        while self._later and self._later[0][0] <= now:
            assigned.append(self._assign(heapq.heappop(self._later)[2]))
        return settled, assigned

    @property
    def delayed(self) -> bool:
        """Whether operations wait for another attempt."""
        return bool(self._later)

    def until_tick(self) -> float:
        """In how many seconds `tick` has something to do, at most."""
        if not self._later:
            return TICK_S
        return min(TICK_S, max(0.0, self._later[0][0] - self._operations.clock()))

    def placement_wanted(self, bucket: str) -> bool:
        """Whether the placement of a bucket should be learnt now. The pipeline does not wait for it."""
        placements = self._operations.placements
        return placements is not None and placements.ask(bucket, self._operations.clock())

    def _assign(self, pipelined: Pipelined[S]) -> tuple[Lane[S], bool]:
        placements = self._operations.placements
        homes = placements.homes(pipelined.bucket, pipelined.key) if placements else ()
        endpoint = self._endpoints.pick(homes, pipelined.tried)
        lane = self._lanes.get(endpoint)
        new = lane is None
        if lane is None:
            lane = self._lanes[endpoint] = Lane(endpoint)
        lane.waiting.append(pipelined)
        return lane, new

    def _failed(
        self, pipelined: Pipelined[S], endpoint: int, failure: Failure, settled: list[Settled[S]]
    ) -> None:
        now = self._operations.clock()
        address = self._endpoints.addresses[endpoint]
        delay = pipelined.attempts.failed(failure, address, now, self._operations.chance())
        if delay is None:
            settled.append(Settled(pipelined.sink, error=pipelined.attempts.error()))
        else:
            pipelined.tried.append(endpoint)
            heapq.heappush(self._later, (now + delay, next(self._ids), pipelined))


def _overdue(*, sent: bool) -> Failure:
    return Failure(grpc.StatusCode.DEADLINE_EXCEEDED, "no answer in time", sent=sent)
