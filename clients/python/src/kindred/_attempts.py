"""Whether and when an operation is tried again, and what its failure means in the end."""

from __future__ import annotations

import grpc

from kindred._failure import Failure
from kindred.errors import ClientClosedError, KindredError, Outcome

FIRST_DELAY_S = 0.025
DELAY_MAX_S = 1.0
# With less time than this left, another attempt would only end in our own deadline.
_WORTH_TRYING_S = 0.005


class Attempts:
    """The attempts of one operation. A write carries one request id through all of them."""

    __slots__ = ("_error", "_limit", "_maybe_applied", "_request_id", "_write", "deadline", "made")

    def __init__(self, limit: int, deadline: float, *, write: bool, request_id: bytes = b"") -> None:
        self.deadline = deadline
        self.made = 0
        self._limit = limit
        self._write = write
        self._request_id = request_id
        self._maybe_applied = False
        self._error: tuple[Failure, str] | None = None

    def failed(self, failure: Failure, endpoint: str, now: float, chance: float) -> float | None:
        """Takes note of an attempt that failed. Answers the seconds to wait before the next; None: give up.

        `chance` is uniform in 0..1: the delay has full jitter, so that clients that failed together do not
        come back together.
        """
        if failure.closed:
            # What the attempts before it have done is not known any the better.
            self._error = (failure, self._error[1] if self._error else "")
            return None
        self.made += 1
        self._maybe_applied = self._maybe_applied or failure.maybe_applied
        if self._error is None or not _cut_off(failure):
            self._error = (failure, endpoint)
        if not failure.transient or self.made >= self._limit:
            return None
        backoff = min(DELAY_MAX_S, FIRST_DELAY_S * 2 ** (self.made - 1))
        delay = max(failure.retry_after, chance * backoff)
        return delay if now + delay + _WORTH_TRYING_S < self.deadline else None

    def error(self) -> KindredError:
        """What the caller is told, after at least one attempt failed, or the client was closed."""
        assert self._error is not None
        failure, endpoint = self._error
        if failure.closed:
            return ClientClosedError(
                "client",
                outcome=self.outcome,
                attempts=self.made,
                endpoint=endpoint,
                request_id=self._request_id,
            )
        error = KindredError(
            failure.message or failure.code.name,
            code=failure.code,
            outcome=self.outcome,
            detail=failure.detail,
            safe_to_retry=failure.detail.safe_to_retry if failure.detail else True,
            attempts=self.made,
            endpoint=endpoint,
            request_id=self._request_id,
        )
        error.__cause__ = failure.cause
        return error

    @property
    def outcome(self) -> Outcome:
        """What became of the write: once one attempt may have been applied, no later one can deny it."""
        if not self._write:
            return Outcome.NONE
        return Outcome.UNKNOWN if self._maybe_applied else Outcome.NOT_APPLIED


def _cut_off(failure: Failure) -> bool:
    # Our own deadline cut this attempt off. Whatever the attempt before it said, says more.
    return failure.code is grpc.StatusCode.DEADLINE_EXCEEDED and failure.detail is None
