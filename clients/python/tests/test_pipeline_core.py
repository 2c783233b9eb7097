"""Pipelines: what travels together, and what becomes of what was under way."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from play import World, broken, refused

from kindred import Absent, InvalidRequestError, KindredError, Outcome, Reason
from kindred import _pipeline as pipeline
from kindred._pipeline import Lane, PipelineCore
from kindred.v1 import kv_pb2, types_pb2

ABSENT = kv_pb2.GetResponse(state=kv_pb2.GetResponse.STATE_ABSENT)


def get(core: PipelineCore[str], world: World, key: str) -> Lane[str]:
    request = world.operations.requests.get("carts", key, None)
    return core.submit(kv_pb2.Operation(get=request), request, pipeline.get_result, key)[0]


def put(core: PipelineCore[str], world: World, key: str, data: bytes = b"milk") -> Lane[str]:
    request = world.operations.requests.put("carts", key, data, None, None, None, None, False, None)
    return core.submit(kv_pb2.Operation(put=request), request, pipeline.put_result, key)[0]


def one_endpoint(**settings: Any) -> tuple[World, PipelineCore[str]]:
    world = World(endpoints=["a:1"], **settings)
    return world, PipelineCore(world.operations)


def group(core: PipelineCore[str], lane: Lane[str]) -> list[kv_pb2.Operation]:
    message = core.next_group(lane)
    return list(message.operations) if message else []


def test_all_that_waits_travels_together() -> None:
    world, core = one_endpoint()
    for number in range(5):
        lane = get(core, world, f"key-{number}")
    operations = group(core, lane)
    assert [operation.get.key.key for operation in operations] == [b"key-%d" % number for number in range(5)]
    assert len({operation.id for operation in operations}) == 5
    assert group(core, lane) == []
    assert core.outstanding == 5


def test_a_message_has_at_most_a_thousand_operations() -> None:
    world, core = one_endpoint()
    for number in range(1_001):
        lane = get(core, world, f"key-{number}")
    assert len(group(core, lane)) == 1_000
    assert len(group(core, lane)) == 1


def test_a_message_has_at_most_a_mebibyte_unless_one_operation_is_larger() -> None:
    world, core = one_endpoint()
    for size in (600_000, 600_000, 2_000_000, 10):
        lane = put(core, world, "ann", b"x" * size)
    assert [len(group(core, lane)) for _ in range(4)] == [1, 1, 1, 1]
    with pytest.raises(InvalidRequestError):
        put(core, world, "ann", b"x" * (4 * 1024 * 1024))
    assert core.outstanding == 4


def test_each_operation_says_how_much_time_it_has() -> None:
    world, core = one_endpoint(timeout=2.5)
    lane = get(core, world, "ann")
    world.now += 1
    (operation,) = group(core, lane)
    assert operation.timeout.ToTimedelta().total_seconds() == pytest.approx(1.5)


def test_answers_are_matched_by_id_in_any_order() -> None:
    world, core = one_endpoint()
    get(core, world, "ann")
    lane = get(core, world, "ben")
    ann, ben = group(core, lane)
    results = [kv_pb2.OperationResult(id=ben.id, get=ABSENT), kv_pb2.OperationResult(id=ann.id, get=ABSENT)]
    settled = core.answered(lane, kv_pb2.PipelineResponse(results=results))
    assert [each.sink for each in settled] == ["ben", "ann"]
    assert all(isinstance(each.result, Absent) for each in settled)
    assert core.outstanding == 0
    assert core.answered(lane, kv_pb2.PipelineResponse(results=results)) == []


def test_they_go_to_all_endpoints_in_turn() -> None:
    world = World()
    core: PipelineCore[str] = PipelineCore(world.operations)
    lanes = [get(core, world, f"key-{number}") for number in range(6)]
    assert [lane.endpoint for lane in lanes] == [0, 1, 2, 0, 1, 2]
    assert lanes[0] is lanes[3]


def test_when_a_stream_breaks_the_rest_is_sent_elsewhere_with_the_same_request_id() -> None:
    world = World(endpoints=["a:1", "b:1"])
    core: PipelineCore[str] = PipelineCore(world.operations)
    lane = put(core, world, "ann")
    (first,) = group(core, lane)
    assert core.ended(lane, broken()) == []
    assert core.delayed
    assert core.until_tick() == pytest.approx(0.025)
    world.now += 0.03
    settled, ((other, new),) = core.tick()
    assert settled == []
    assert new
    assert other.endpoint != lane.endpoint
    (again,) = group(core, other)
    assert again.put == first.put
    assert core.outstanding == 1


def test_what_was_under_way_is_unknown_and_what_was_not_yet_written_is_not_applied() -> None:
    world, core = one_endpoint(attempts=1)
    lane = put(core, world, "written")
    group(core, lane)
    put(core, world, "waiting")
    outcomes = {each.sink: each.error.outcome for each in core.ended(lane, broken()) if each.error}
    assert outcomes == {"written": Outcome.UNKNOWN, "waiting": Outcome.NOT_APPLIED}
    assert core.outstanding == 0


def test_a_node_that_drains_says_that_nothing_was_applied() -> None:
    world, core = one_endpoint(attempts=1)
    lane = put(core, world, "ann")
    group(core, lane)
    (settled,) = core.ended(lane, refused(Reason.NODE_DRAINING))
    assert settled.error is not None
    assert settled.error.outcome is Outcome.NOT_APPLIED


def test_a_stream_that_ends_in_good_order_breaks_no_endpoint() -> None:
    world, core = one_endpoint()
    lane = get(core, world, "ann")
    group(core, lane)
    assert core.ended(lane, None) == []
    assert world.endpoints.is_ready(0)


def test_items_that_failed_for_now_are_tried_again_and_others_are_not() -> None:
    world, core = one_endpoint()
    get(core, world, "ann")
    lane = get(core, world, "ben")
    ann, ben = group(core, lane)
    results = [
        kv_pb2.OperationResult(id=ann.id, status=status(types_pb2.ERROR_REASON_NODE_OVERLOADED)),
        kv_pb2.OperationResult(id=ben.id, status=status(types_pb2.ERROR_REASON_BUCKET_UNKNOWN)),
    ]
    (settled,) = core.answered(lane, kv_pb2.PipelineResponse(results=results))
    assert settled.sink == "ben"
    assert isinstance(settled.error, KindredError)
    world.now += 1
    core.tick()
    assert [operation.get.key.key for operation in group(core, lane)] == [b"ann"]


def test_silence_ends_with_the_time_of_the_operation() -> None:
    world, core = one_endpoint(timeout=1)
    lane = put(core, world, "written")
    group(core, lane)
    put(core, world, "waiting")
    world.now += 0.9
    assert core.tick() == ([], [])
    world.now += 0.2
    settled, _ = core.tick()
    outcomes = {each.sink: each.error for each in settled}
    assert {sink: error.outcome for sink, error in outcomes.items() if error} == {
        "written": Outcome.UNKNOWN,
        "waiting": Outcome.NOT_APPLIED,
    }
    assert all(error and error.code is grpc.StatusCode.DEADLINE_EXCEEDED for error in outcomes.values())
    assert core.outstanding == 0
    assert group(core, lane) == []


def status(reason: types_pb2.ErrorReason.ValueType) -> types_pb2.ItemStatus:
    return types_pb2.ItemStatus(code=14, detail=types_pb2.ErrorDetail(reason=reason, safe_to_retry=True))
