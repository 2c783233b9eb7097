"""One attempt that failed: what it says, and whether another may follow."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import grpc
from google.rpc.status_pb2 import Status

from kindred._wire import error_detail, status_code
from kindred.errors import ErrorDetail, Outcome, Reason
from kindred.v1 import types_pb2

_DETAILS_KEY = "grpc-status-details-bin"

_TRANSIENT = frozenset(
    {
        Reason.NOT_ENOUGH_REPLICAS,
        Reason.QUORUM_TIMEOUT,
        Reason.REPLICA_FAILURE,
        Reason.CONTEXT_NOT_REACHED,
        Reason.NODE_OVERLOADED,
        Reason.DISK_FULL,
        Reason.NODE_DRAINING,
        Reason.STORAGE_FAILED,
        Reason.RETRY_UNSAFE,
    }
)

# gRPC says this where it found no connection to put the call on: not a byte of it was sent.
_NEVER_SENT = re.compile("failed to connect to all addresses|empty address list|DNS resolution failed")

# gRPC has no code of its own for a connection that breaks under a call; most are UNAVAILABLE, some are not.
# "Internal error from Core" is what grpc.aio says when it was just writing to a stream.
_BROKEN = re.compile(
    "Internal error from Core|RST_STREAM|Stream removed|GOAWAY|[Ss]ocket|[Cc]onnection|[Tt]ransport"
    "|Broken pipe|recvmsg"
)
_SOMETIMES_BROKEN = frozenset({grpc.StatusCode.CANCELLED, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Failure:
    """How one attempt failed."""

    code: grpc.StatusCode
    message: str
    detail: ErrorDetail | None = None
    sent: bool = True
    """False: certainly nothing of it has left this process."""
    cause: BaseException | None = None
    closed: bool = False
    """The client was closed before this attempt: it was none."""

    @property
    def broken(self) -> bool:
        """Whether it was the connection that failed, and no node that answered."""
        if self.detail is not None:
            return False
        if self.code is grpc.StatusCode.UNAVAILABLE:
            return True
        return self.code in _SOMETIMES_BROKEN and _BROKEN.search(self.message) is not None

    @property
    def transient(self) -> bool:
        """Whether another attempt may succeed, and is safe (a write has a request id)."""
        if self.detail is not None:
            return self.detail.safe_to_retry and self.detail.reason in _TRANSIENT
        return self.broken or self.code is grpc.StatusCode.DEADLINE_EXCEEDED

    @property
    def maybe_applied(self) -> bool:
        """Whether this attempt, if it was a write, may have been applied."""
        if self.detail is not None:
            return self.detail.outcome is not Outcome.NOT_APPLIED
        return self.sent

    @property
    def retry_after(self) -> float:
        """The least number of seconds before another attempt."""
        if self.detail is None or self.detail.retry_after is None:
            return 0.0
        return self.detail.retry_after.total_seconds()


def client_closed(cause: BaseException | None = None) -> Failure:
    """The failure of a call that a closed client did not make."""
    return Failure(grpc.StatusCode.CANCELLED, "the client is closed", sent=False, cause=cause, closed=True)


def from_rpc_error(error: grpc.RpcError) -> Failure:
    """The failure of a call, blocking or asyncio."""
    code = error.code()
    message = error.details() or ""
    detail = _detail_in(error.trailing_metadata())
    never_sent = code is grpc.StatusCode.UNAVAILABLE and _NEVER_SENT.search(message) is not None
    return Failure(code, message, detail, not never_sent, error)


def from_item_status(status: types_pb2.ItemStatus) -> Failure:
    """The failure of one item of a batch or a pipeline."""
    detail = error_detail(status.detail) if status.HasField("detail") else None
    return Failure(status_code(status.code), status.message, detail)


def _detail_in(trailers: Iterable[Any] | None) -> ErrorDetail | None:
    for key, value in trailers or ():
        if key == _DETAILS_KEY:
            for packed in Status.FromString(value).details:
                detail = types_pb2.ErrorDetail()
                if packed.Unpack(detail):
                    return error_detail(detail)
    return None
