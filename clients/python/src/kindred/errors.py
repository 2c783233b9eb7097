"""What can go wrong, and what that means for a write."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import timedelta

import grpc

from kindred.values import Context, Version


class Reason(enum.Enum):
    """Why a call failed, as the server says it. docs/errors.md has what to do about each."""

    UNSPECIFIED = 0
    """The server did not say, or is newer than this client: go by the code."""
    NOT_ENOUGH_REPLICAS = 1
    QUORUM_TIMEOUT = 2
    REPLICA_FAILURE = 3
    CONTEXT_NOT_REACHED = 4
    CONTEXT_INVALID = 5
    CONFLICT = 6
    TOO_MANY_SIBLINGS = 7
    REQUEST_ID_REUSED = 9
    TOO_LARGE = 10
    NODE_OVERLOADED = 13
    DISK_FULL = 14
    KEY_EXISTS = 20
    INVALID_REQUEST = 21
    BUCKET_UNKNOWN = 22
    NODE_DRAINING = 23
    STORAGE_FAILED = 24
    RETRY_UNSAFE = 25
    OPERATION_UNKNOWN = 26
    OPERATION_RUNNING = 27

    @classmethod
    def _missing_(cls, value: object) -> Reason:
        return cls.UNSPECIFIED


class Outcome(enum.Enum):
    """What a failed call means for the write it asked for."""

    NONE = 0
    """The call was no write; or, in a `ConflictError`, the write was applied."""
    NOT_APPLIED = 1
    """The write did not happen and will never become visible."""
    UNKNOWN = 2
    """The write may be there, now or later. Send it again with its request id, or ask `write_outcome`."""


@dataclass(frozen=True, slots=True)
class ReplicaFailure:
    """One replica that did not do its part."""

    node_id: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class ErrorDetail:
    """What the server knows about a failure."""

    reason: Reason
    outcome: Outcome
    safe_to_retry: bool
    retry_after: timedelta | None
    required: int
    """How many replicas the level needs. 0: does not apply."""
    alive: int
    answered: int
    failures: tuple[ReplicaFailure, ...]
    topology_epoch: int
    context: Context | None
    """With CONFLICT, KEY_EXISTS and TOO_MANY_SIBLINGS: the context of what is stored."""
    field: str
    """The path of the field that was not accepted."""


class KindredError(Exception):
    """A request failed for good, after all the attempts that were safe and in time."""

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode,
        outcome: Outcome = Outcome.NONE,
        detail: ErrorDetail | None = None,
        safe_to_retry: bool = True,
        attempts: int = 0,
        endpoint: str = "",
        request_id: bytes = b"",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        """The gRPC status code: what class of failure it is."""
        self.outcome = outcome
        """What became of the write. Never guessed: what cannot be known is UNKNOWN."""
        self.detail = detail
        """What the server knows; None if it was not the server that answered."""
        self.safe_to_retry = safe_to_retry
        """Whether the same message, with the same request id, may be sent again without a second effect."""
        self.attempts = attempts
        """How many attempts were made. 0: the client itself refused."""
        self.endpoint = endpoint
        """Where the last attempt went. Empty: nowhere."""
        self.request_id = request_id
        """The request id of the write, for `write_outcome`. Empty: no write, or a batch."""

    @property
    def reason(self) -> Reason:
        """Why the call failed, as the server says it."""
        return self.detail.reason if self.detail else Reason.UNSPECIFIED

    def __str__(self) -> str:
        facts = [self.code.name]
        if self.reason is not Reason.UNSPECIFIED:
            facts.append(self.reason.name)
        if self.outcome is not Outcome.NONE:
            facts.append(f"outcome {self.outcome.name}")
        if self.attempts > 1:
            facts.append(f"{self.attempts} attempts")
        if self.endpoint:
            facts.append(self.endpoint)
        return f"{self.message} ({', '.join(facts)})"


class InvalidRequestError(KindredError, ValueError):
    """The client itself refused the request; nothing was sent."""

    def __init__(self, message: str) -> None:
        super().__init__(
            message, code=grpc.StatusCode.INVALID_ARGUMENT, outcome=Outcome.NOT_APPLIED, safe_to_retry=True
        )


class ClientClosedError(KindredError):
    """The client, or the pipeline, has been closed."""

    def __init__(
        self,
        what: str,
        *,
        outcome: Outcome = Outcome.NOT_APPLIED,
        attempts: int = 0,
        endpoint: str = "",
        request_id: bytes = b"",
    ) -> None:
        super().__init__(
            f"the {what} is closed",
            code=grpc.StatusCode.CANCELLED,
            outcome=outcome,
            safe_to_retry=False,
            attempts=attempts,
            endpoint=endpoint,
            request_id=request_id,
        )


class ConflictError(KindredError):
    """`update` met siblings that it could not resolve, or did not win a race within its bound."""

    def __init__(
        self, message: str, *, versions: tuple[Version, ...], context: Context, applied: bool = False
    ) -> None:
        super().__init__(
            message,
            code=grpc.StatusCode.FAILED_PRECONDITION,
            outcome=Outcome.NONE if applied else Outcome.NOT_APPLIED,
        )
        self.versions = versions
        """The versions that raced. Merge them, and put the result with `context`."""
        self.context = context
        self.applied = applied
        """Whether the write of this update is stored, beside the others."""

    @property
    def reason(self) -> Reason:
        return Reason.CONFLICT
