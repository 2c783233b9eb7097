"""What is stored under a key, and what reads and writes answer.

A read answers one of three things, made to be told apart with ``match``::

    match client.get("carts", "ann"):
        case Found(value):
            print(value.data)
        case Conflict(versions):
            print(len(versions), "siblings")
        case Absent():
            print("nothing there")
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, TypeAlias

from kindred.options import Consistency

_set = object.__setattr__


@dataclass(frozen=True, slots=True)
class Value:
    """What a client stores under a key: bytes, and what they are."""

    data: bytes
    content_type: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)


ValueLike: TypeAlias = Value | bytes | str
"""What may be given where a value is wanted. Text is stored as UTF-8."""


@dataclass(frozen=True, slots=True)
class Context:
    """What somebody has seen of one key, as an opaque token of at most 4 KiB.

    Comes with every answer, also with `Absent`. Give it to the next write of that key, which then
    supersedes exactly what was seen, or as `ReadOptions.min_context` to read nothing older. It is valid
    only for its key and cluster, but anywhere and at any time: ``bytes(context)`` may travel in a message
    or a form, and ``Context(token)`` brings it back.
    """

    token: bytes

    def __bytes__(self) -> bytes:
        return self.token

    def __repr__(self) -> str:
        return f"Context({self.token[:6].hex()}..., {len(self.token)} bytes)"


class Dot(NamedTuple):
    """The name of one write, given by the replica that coordinated it and never used again."""

    replica: int
    epoch: int
    counter: int


class Version(NamedTuple):
    """One of the concurrent versions ("siblings") of a key."""

    value: Value | None
    """What was put. None: the key was deleted, or the value has expired."""
    dot: Dot
    clock: tuple[Dot, ...]
    """What its writer had seen; an entry stands for the counters from 1 to its own."""
    written_at: datetime
    """By the hybrid clock of the replica that made it, in UTC. Says nothing of the order of versions."""
    expire_time: datetime | None = None

    @property
    def deleted(self) -> bool:
        """Whether this is a deletion, or a value that has expired."""
        return self.value is None

    def supersedes(self, other: Version) -> bool:
        """Whether the writer of this version had seen `other`. If neither has seen the other, they raced."""
        dot = other.dot
        return any(
            seen.replica == dot.replica and seen.epoch == dot.epoch and seen.counter >= dot.counter
            for seen in self.clock
        )


class ReadReport(NamedTuple):
    """How a read came to its answer."""

    achieved: Consistency | None
    """The level that was met. None if a number of replicas was asked for."""
    replicas_asked: int
    replicas_answered: int
    replicas_agreed: int
    repair_started: bool
    coordinator: str
    topology_epoch: int


class WriteReport(NamedTuple):
    """How far a write had come when it was answered. It goes on to all replicas afterwards."""

    achieved: Consistency | None
    """The level that was met. None if a number of replicas was asked for."""
    acked: int
    hinted: int
    synced: int
    replayed: bool
    """The request id was known already: this is the answer of the earlier attempt."""
    coordinator: str
    topology_epoch: int


class Found:
    """The key has one value. Immutable."""

    # Most readers want the value alone. To make the rest takes longer than that: it is made when asked for.
    __slots__ = ("_report", "_version", "context", "value")
    __match_args__ = ("value", "version", "context", "report")

    value: Value
    context: Context
    _version: Version | Callable[[], Version]
    _report: ReadReport | Callable[[], ReadReport]

    def __init__(
        self,
        value: Value,
        version: Version | Callable[[], Version],
        context: Context,
        report: ReadReport | Callable[[], ReadReport],
    ) -> None:
        _set(self, "value", value)
        _set(self, "_version", version)
        _set(self, "context", context)
        _set(self, "_report", report)

    @property
    def version(self) -> Version:
        """The version that has the value."""
        version = self._version
        if not isinstance(version, Version):
            version = version()
            _set(self, "_version", version)
        return version

    @property
    def report(self) -> ReadReport:
        """How the read came to it."""
        report = self._report
        if not isinstance(report, ReadReport):
            report = report()
            _set(self, "_report", report)
        return report

    def _fields(self) -> tuple[Value, Version, Context, ReadReport]:
        return self.value, self.version, self.context, self.report

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name} of what was found cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{name} of what was found cannot be deleted")

    def __eq__(self, other: object) -> bool:
        return self._fields() == other._fields() if isinstance(other, Found) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._fields())

    def __repr__(self) -> str:
        value, version, context, report = self._fields()
        return f"Found(value={value!r}, version={version!r}, context={context!r}, report={report!r})"

    def __reduce__(self) -> tuple[type[Found], tuple[Value, Version, Context, ReadReport]]:
        return Found, self._fields()


class Conflict(NamedTuple):
    """Several versions raced. Merge them, and put the result with `context`; or use `update`."""

    versions: tuple[Version, ...]
    """Sorted by dot; at least one has a value. A deletion that raced is shown beside the values."""
    context: Context
    report: ReadReport


class Absent(NamedTuple):
    """Never written, deleted or expired. The context lets the next put supersede the deletion."""

    context: Context
    report: ReadReport


GetResult: TypeAlias = Found | Conflict | Absent


class PutResult(NamedTuple):
    """A put or a delete is stored."""

    context: Context
    """Covers this write and what it superseded."""
    dot: Dot
    """The name of the version that this write made."""
    versions_held: int
    """How many versions the replica held right after: more than 1, the write raced. 0: not known."""
    report: WriteReport


@dataclass(frozen=True, slots=True)
class TouchResult:
    """The expiry is changed, or there was nothing to change."""

    applied: bool
    """False: the key was absent, and nothing was written."""
    context: Context
    report: WriteReport | None
    """None when not applied."""


class WriteStatus(enum.Enum):
    """What is known of a write that was asked about by its request id."""

    APPLIED = 1
    """The write has happened."""
    NOT_SEEN = 2
    """None of the replicas asked holds it. It may be on its way, or superseded. At ALL, and if nobody has
    written the key since, it was not applied."""


@dataclass(frozen=True, slots=True)
class WriteOutcome:
    """What became of one write."""

    status: WriteStatus
    dot: Dot | None
    """The name of the version that it made, if it was applied."""
    context: Context


@dataclass(frozen=True, slots=True)
class UpdateResult:
    """What `update` left behind."""

    value: Value | None
    """The value now stored; None: there is none."""
    context: Context
    versions_held: int
    """As in `PutResult`; 1 when siblings were resolved. 0: not known, or nothing was written."""


def versions_of(result: GetResult) -> Sequence[Version]:
    """The versions in an answer, whichever it is."""
    match result:
        case Found(version=version):
            return (version,)
        case Conflict(versions):
            return versions
        case Absent():
            return ()
