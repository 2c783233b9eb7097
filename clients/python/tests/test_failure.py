"""What is read out of errors of gRPC."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.protobuf import any_pb2
from google.protobuf.duration_pb2 import Duration
from google.rpc.status_pb2 import Status

from kindred import Context, Outcome, Reason, ReplicaFailure
from kindred._failure import Failure, from_item_status, from_rpc_error
from kindred.v1 import types_pb2


class EndedCall(grpc.RpcError):
    def __init__(
        self, code: grpc.StatusCode, details: str, trailers: tuple[tuple[str, str | bytes], ...] = ()
    ) -> None:
        self._ended = (code, details, trailers)

    def code(self) -> grpc.StatusCode:
        return self._ended[0]

    def details(self) -> str:
        return self._ended[1]

    def trailing_metadata(self) -> Any:
        return self._ended[2]


DETAIL = types_pb2.ErrorDetail(
    reason=types_pb2.ERROR_REASON_TOO_MANY_SIBLINGS,
    write_outcome=types_pb2.WRITE_OUTCOME_NOT_APPLIED,
    safe_to_retry=True,
    retry_after=Duration(nanos=50_000_000),
    required=2,
    alive=1,
    answered=1,
    failures=[types_pb2.ReplicaFailure(node_id="n2", reason=types_pb2.ERROR_REASON_QUORUM_TIMEOUT)],
    context=b"stored",
    field="key.key",
)


def test_the_detail_is_found_among_the_trailers() -> None:
    packed = any_pb2.Any()
    packed.Pack(DETAIL)
    status = Status(code=9, message="too many", details=[any_pb2.Any(type_url="x/other"), packed])
    trailers: tuple[tuple[str, str | bytes], ...] = (
        ("date", "today"),
        ("grpc-status-details-bin", status.SerializeToString()),
    )
    failure = from_rpc_error(EndedCall(grpc.StatusCode.FAILED_PRECONDITION, "too many", trailers))
    detail = failure.detail
    assert detail is not None
    assert detail.reason is Reason.TOO_MANY_SIBLINGS
    assert detail.outcome is Outcome.NOT_APPLIED
    assert detail.retry_after == timedelta(milliseconds=50)
    assert detail.failures == (ReplicaFailure("n2", Reason.QUORUM_TIMEOUT),)
    assert detail.context == Context(b"stored")
    assert (detail.required, detail.alive, detail.answered, detail.field) == (2, 1, 1, "key.key")
    assert not failure.transient
    assert not failure.broken


def test_items_carry_the_same() -> None:
    failure = from_item_status(types_pb2.ItemStatus(code=9, message="too many", detail=DETAIL))
    assert failure.code is grpc.StatusCode.FAILED_PRECONDITION
    assert failure.detail is not None
    assert failure.detail.reason is Reason.TOO_MANY_SIBLINGS


def test_a_reason_of_a_later_server_is_none_that_we_know() -> None:
    assert Reason(9_999) is Reason.UNSPECIFIED


@pytest.mark.parametrize(
    ("code", "message", "broken"),
    [
        (grpc.StatusCode.UNAVAILABLE, "anything", True),
        (grpc.StatusCode.CANCELLED, "Received RST_STREAM with error code 8", True),
        (grpc.StatusCode.CANCELLED, "Locally cancelled by application!", False),
        (grpc.StatusCode.INTERNAL, "Received RST_STREAM with error code 2", True),
        (grpc.StatusCode.INTERNAL, "Internal error from Core", True),
        (grpc.StatusCode.INTERNAL, "incident 17", False),
        (grpc.StatusCode.UNKNOWN, "Stream removed", True),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "Received message larger than max", False),
        (grpc.StatusCode.UNIMPLEMENTED, "unknown method", False),
    ],
)
def test_a_broken_connection_is_told_by_code_and_text(
    code: grpc.StatusCode, message: str, broken: bool
) -> None:
    failure = from_rpc_error(EndedCall(code, message))
    assert failure.broken is broken
    assert failure.transient is broken
    assert failure.maybe_applied


def test_what_found_no_connection_was_never_sent() -> None:
    message = "failed to connect to all addresses; last error: Connection refused"
    refused = from_rpc_error(EndedCall(grpc.StatusCode.UNAVAILABLE, message))
    assert refused.transient
    assert not refused.maybe_applied
    assert from_rpc_error(EndedCall(grpc.StatusCode.UNAVAILABLE, "Socket closed")).maybe_applied


def test_a_detail_without_an_outcome_does_not_say_that_nothing_happened() -> None:
    failure = from_item_status(types_pb2.ItemStatus(code=13, detail=types_pb2.ErrorDetail()))
    assert failure.maybe_applied


def test_a_deadline_may_be_tried_again_if_time_is_left() -> None:
    assert Failure(grpc.StatusCode.DEADLINE_EXCEEDED, "").transient
