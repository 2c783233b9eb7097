"""Carries out steps in tests: no network, a clock that only pauses move, and no chance."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import grpc

from kindred import Outcome, ReadOptions, Reason, WriteOptions
from kindred._endpoints import Endpoints
from kindred._failure import Failure
from kindred._operations import Operations
from kindred._placement import Placements
from kindred._settings import Settings
from kindred._steps import Apply, Call, Sleep, Steps, T
from kindred.errors import ErrorDetail


class World:
    """Answers calls, by `answer` or from a list, and remembers all that was asked of it."""

    def __init__(
        self,
        answers: Callable[[Call], Any] | Iterable[Any] = (),
        *,
        endpoints: Iterable[str] = ("a:1", "b:2", "c:3"),
        direct_routing: bool = False,
        **settings: Any,
    ) -> None:
        self.now = 100.0
        self.chance = 1.0
        self.calls: list[Call] = []
        self.pauses: list[float] = []
        if callable(answers):
            self._answer = answers
        else:
            in_order = iter(answers)
            self._answer = lambda _: next(in_order)
        self.endpoints = Endpoints(endpoints)
        for index in range(len(self.endpoints.addresses)):
            self.endpoints.ready(index)
        placements = Placements(self.endpoints.index_of) if direct_routing else None
        self.operations = Operations(
            make_settings(**settings), self.endpoints, placements, lambda: self.now, lambda: self.chance
        )

    def run(self, steps: Steps[T]) -> T:
        reply: Any = None
        while True:
            try:
                step = steps.send(reply)
            except StopIteration as done:
                result: T = done.value
                return result
            match step:
                case Call():
                    self.calls.append(step)
                    reply = self._answer(step)
                case Sleep(seconds):
                    self.pauses.append(seconds)
                    self.now += seconds
                    reply = None
                case Apply(function, argument):
                    reply = function(argument)


def make_settings(
    timeout: float = 5.0,
    attempts: int = 4,
    read: ReadOptions | None = None,
    write: WriteOptions | None = None,
    **others: Any,
) -> Settings:
    return Settings(timeout, attempts, read, write or WriteOptions(), **others)


def refused(
    reason: Reason,
    outcome: Outcome = Outcome.NOT_APPLIED,
    *,
    code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE,
    safe_to_retry: bool = True,
    retry_after: Any = None,
) -> Failure:
    """A failure that a node answered."""
    detail = ErrorDetail(
        reason=reason,
        outcome=outcome,
        safe_to_retry=safe_to_retry,
        retry_after=retry_after,
        required=2,
        alive=1,
        answered=0,
        failures=(),
        topology_epoch=1,
        context=None,
        field="",
    )
    return Failure(code, reason.name, detail)


def broken(code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE, message: str = "Socket closed") -> Failure:
    """A failure that nobody answered."""
    return Failure(code, message)
