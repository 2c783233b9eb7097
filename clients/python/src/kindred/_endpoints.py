"""Which endpoint an attempt goes to: round robin over those that are not known to be broken."""

from __future__ import annotations

import enum
import itertools
from collections.abc import Callable, Collection, Iterable, Sequence

from kindred.errors import InvalidRequestError


class Reachability(enum.Enum):
    """What is known of the connection to an endpoint."""

    CONNECTING = enum.auto()
    READY = enum.auto()
    BROKEN = enum.auto()


class Endpoints:
    """The endpoints of a client, by index. Those that the topology taught it come after those it was given.

    Thread-safe without a lock: every change is a single store or append.
    """

    def __init__(self, addresses: Iterable[str]) -> None:
        self.addresses = list(dict.fromkeys(addresses))
        if not self.addresses:
            raise InvalidRequestError("a client needs at least one endpoint")
        for address in self.addresses:
            if ":" not in address:
                raise InvalidRequestError(f'an endpoint is "host:port", not {address!r}')
        self._given = len(self.addresses)
        self._states = [Reachability.CONNECTING] * self._given
        self._turns = itertools.count()
        self.on_unreachable: Callable[[int], None] = lambda _index: None
        """Told when an endpoint breaks that was not known to be broken: its return has to be watched for."""

    def index_of(self, address: str) -> int:
        """The endpoint at an address, new if need be."""
        try:
            return self.addresses.index(address)
        except ValueError:
            self._states.append(Reachability.CONNECTING)
            self.addresses.append(address)
            return len(self.addresses) - 1

    def is_ready(self, index: int) -> bool:
        return self._states[index] is Reachability.READY

    def ready(self, index: int) -> None:
        self._states[index] = Reachability.READY

    def broke(self, index: int) -> None:
        if self._states[index] is not Reachability.BROKEN:
            self._states[index] = Reachability.BROKEN
            self.on_unreachable(index)

    def pick(self, homes: Sequence[int] = (), tried: Sequence[int] = ()) -> int:
        """The endpoint for the next attempt.

        The first of `homes` that is not broken and not yet tried; else the next in turn, rather one that
        works than one that is broken, and rather one that this operation has not just tried.
        """
        for home in homes:
            if self._states[home] is not Reachability.BROKEN and home not in tried:
                return home
        turn = next(self._turns) % self._given
        if not tried and self._states[turn] is Reachability.READY:
            return turn
        recent = tried[-(self._given - 1) :] if self._given > 1 else ()
        in_turn: list[int] = [*range(turn, self._given), *range(turn)]
        return min(in_turn, key=lambda index: self._reluctance(index, recent))

    def _reluctance(self, index: int, recent: Collection[int]) -> tuple[bool, bool, bool]:
        state = self._states[index]
        return (
            state is Reachability.BROKEN,
            index in recent,
            state is not Reachability.READY,
        )
