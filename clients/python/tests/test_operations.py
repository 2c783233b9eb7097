"""What is tried again, where, when, and what a failure means in the end."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import grpc
import pytest
from play import World, broken, refused

from kindred import (
    Absent,
    Blind,
    ClientClosedError,
    Consistency,
    Context,
    InvalidRequestError,
    KindredError,
    Outcome,
    ReadOptions,
    Reason,
    WriteOptions,
)
from kindred._failure import client_closed
from kindred.v1 import kv_pb2

ABSENT = kv_pb2.GetResponse(state=kv_pb2.GetResponse.STATE_ABSENT, context=b"seen")
STORED = kv_pb2.PutResponse(context=b"written")
TRANSIENT = (
    Reason.NOT_ENOUGH_REPLICAS,
    Reason.QUORUM_TIMEOUT,
    Reason.REPLICA_FAILURE,
    Reason.CONTEXT_NOT_REACHED,
    Reason.NODE_OVERLOADED,
    Reason.DISK_FULL,
    Reason.NODE_DRAINING,
    Reason.STORAGE_FAILED,
    Reason.RETRY_UNSAFE,
)


def test_absence_is_an_answer_with_a_context() -> None:
    world = World([ABSENT])
    result = world.run(world.operations.get("carts", "ann"))
    assert isinstance(result, Absent)
    assert result.context == Context(b"seen")
    assert world.pauses == []


@pytest.mark.parametrize("reason", TRANSIENT)
def test_what_passes_by_itself_is_tried_again_elsewhere(reason: Reason) -> None:
    world = World([refused(reason, Outcome.UNKNOWN), refused(reason), STORED])
    world.run(world.operations.put("carts", "ann", b"milk"))
    assert len({call.endpoint for call in world.calls}) == 3
    request_ids = {call.request.options.request_id for call in world.calls}  # type: ignore[attr-defined]
    assert len(request_ids) == 1
    assert len(request_ids.pop()) == 16


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason not in TRANSIENT])
def test_nothing_else_is(reason: Reason) -> None:
    world = World([refused(reason, code=grpc.StatusCode.FAILED_PRECONDITION)])
    with pytest.raises(KindredError) as raised:
        world.run(world.operations.put("carts", "ann", b"milk"))
    assert raised.value.reason is reason
    assert raised.value.outcome is Outcome.NOT_APPLIED
    assert raised.value.attempts == 1
    assert raised.value.endpoint == "a:1"
    assert len(raised.value.request_id) == 16


def test_what_the_server_calls_unsafe_is_not_tried_again() -> None:
    world = World([refused(Reason.RETRY_UNSAFE, Outcome.UNKNOWN, safe_to_retry=False)])
    with pytest.raises(KindredError) as raised:
        world.run(world.operations.delete("carts", "ann"))
    assert raised.value.outcome is Outcome.UNKNOWN
    assert not raised.value.safe_to_retry


def test_pauses_double_up_to_a_second() -> None:
    world = World([refused(Reason.NODE_DRAINING)] * 9, attempts=9, timeout=60)
    with pytest.raises(KindredError) as raised:
        world.run(world.operations.get("carts", "ann"))
    assert world.pauses == [0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    assert raised.value.attempts == 9


def test_pauses_have_full_jitter() -> None:
    world = World([refused(Reason.NODE_DRAINING), ABSENT])
    world.chance = 0.0
    world.run(world.operations.get("carts", "ann"))
    assert world.pauses == [0.0]


def test_the_server_says_how_long_to_wait_at_least() -> None:
    overloaded = refused(Reason.NODE_OVERLOADED, retry_after=timedelta(seconds=0.7))
    world = World([overloaded, ABSENT])
    world.run(world.operations.get("carts", "ann"))
    assert world.pauses == [0.7]


def test_nobody_waits_longer_than_there_is_time() -> None:
    overloaded = refused(Reason.NODE_OVERLOADED, retry_after=timedelta(seconds=6))
    world = World([overloaded])
    with pytest.raises(KindredError) as raised:
        world.run(world.operations.put("carts", "ann", b"milk"))
    assert raised.value.attempts == 1
    assert world.pauses == []


def test_each_attempt_gets_the_time_that_is_left() -> None:
    overloaded = refused(Reason.NODE_OVERLOADED, retry_after=timedelta(seconds=2))
    world = World([overloaded, overloaded, ABSENT], timeout=5)
    world.run(world.operations.get("carts", "ann"))
    assert [call.timeout for call in world.calls] == pytest.approx([5, 3, 1])


def test_once_unknown_always_unknown() -> None:
    world = World([broken(), refused(Reason.NODE_DRAINING)], attempts=2)
    with pytest.raises(KindredError) as raised:
        world.run(world.operations.put("carts", "ann", b"milk"))
    assert raised.value.outcome is Outcome.UNKNOWN
    assert raised.value.reason is Reason.NODE_DRAINING


def test_a_client_closed_between_two_attempts_does_not_deny_the_first() -> None:
    world = World([broken(), client_closed()])
    with pytest.raises(ClientClosedError) as raised:
        world.run(world.operations.put("carts", "ann", b"milk"))
    assert raised.value.outcome is Outcome.UNKNOWN
    assert raised.value.attempts == 1
    assert raised.value.request_id


def test_a_client_closed_before_the_first_attempt_has_sent_nothing() -> None:
    world = World([client_closed()])
    with pytest.raises(ClientClosedError) as raised:
        world.run(world.operations.put("carts", "ann", b"milk"))
    assert raised.value.outcome is Outcome.NOT_APPLIED
    assert raised.value.attempts == 0


def test_reads_have_no_outcome() -> None:
    world = World([broken()], attempts=1)
    with pytest.raises(KindredError) as raised:
        world.run(world.operations.get("carts", "ann"))
    assert raised.value.outcome is Outcome.NONE


def test_our_own_deadline_says_less_than_the_answer_before_it() -> None:
    timed_out = refused(Reason.QUORUM_TIMEOUT, Outcome.UNKNOWN, code=grpc.StatusCode.DEADLINE_EXCEEDED)
    cut_off = broken(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")
    world = World([timed_out, cut_off], attempts=2)
    with pytest.raises(KindredError) as raised:
        world.run(world.operations.put("carts", "ann", b"milk"))
    assert raised.value.reason is Reason.QUORUM_TIMEOUT
    assert raised.value.attempts == 2


def test_a_broken_endpoint_is_skipped_until_it_is_back() -> None:
    world = World([broken(), *[ABSENT] * 7])
    world.run(world.operations.get("carts", "ann"))
    lost = world.calls[0].endpoint
    for _ in range(3):
        world.run(world.operations.get("carts", "ann"))
    assert lost not in {call.endpoint for call in world.calls[1:]}
    world.endpoints.ready(lost)
    for _ in range(3):
        world.run(world.operations.get("carts", "ann"))
    assert lost in {call.endpoint for call in world.calls[5:]}


def test_given_request_ids_are_kept() -> None:
    world = World([STORED])
    world.run(
        world.operations.put("carts", "ann", b"milk", write=WriteOptions(request_id=b"0123456789abcdef"))
    )
    assert world.calls[0].request.options.request_id == b"0123456789abcdef"  # type: ignore[attr-defined]


def test_options_of_the_client_are_the_default() -> None:
    world = World([ABSENT, ABSENT], read=ReadOptions(consistency=Consistency.ONE))
    world.run(world.operations.get("carts", "ann"))
    world.run(world.operations.get("carts", "ann", ReadOptions(consistency=2)))
    first, second = (call.request.options for call in world.calls)  # type: ignore[attr-defined]
    assert first.consistency == Consistency.ONE.value
    assert second.replicas == 2


def test_contradictions_are_refused_before_anything_is_sent() -> None:
    world = World([])
    operations = world.operations
    for steps in (
        operations.put("carts", "ann", b"milk", context=Context(b"x"), blind=Blind.REJECT),
        operations.put("carts", "ann", b"milk", ttl=timedelta(seconds=1), keep_expiry=True),
        operations.put("carts", "ann", b"milk", expire_time=datetime(2030, 1, 1)),
        operations.put("carts", "ann", b"milk", write=WriteOptions(request_id=b"short")),
        operations.touch("carts", "ann", ttl=timedelta(seconds=1), expire_time=datetime.now(timezone.utc)),
        operations.get("carts", "ann", ReadOptions(consistency=-1)),
    ):
        with pytest.raises(InvalidRequestError) as raised:
            world.run(steps)
        assert raised.value.outcome is Outcome.NOT_APPLIED
        assert raised.value.attempts == 0
    assert world.calls == []
