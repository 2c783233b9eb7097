"""How requests are carried out. What is left out is as the bucket says."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kindred.values import Context


class Consistency(enum.Enum):
    """How many of the N replicas of a key must answer. QUORUM reads see all that QUORUM writes stored."""

    ANY = 1
    """Writes only: one replica, or one hint stored durably for a replica that is away."""
    ONE = 2
    TWO = 3
    THREE = 4
    QUORUM = 5
    """A majority. Reads from here on repair what was behind before they answer."""
    ALL = 6
    LOCAL_ONE = 7
    LOCAL_QUORUM = 8
    EACH_QUORUM = 9


class Durability(enum.Enum):
    """What a replica must have done with a write before its acknowledgement counts."""

    BUFFERED = 1
    """Handed to the operating system."""
    SYNC_ONE = 2
    """One of the acknowledging replicas has forced it to disk."""
    SYNC_QUORUM = 3
    """All that count have."""


class OnConflict(enum.Enum):
    """What a read does when the key holds several versions."""

    RETURN_ALL = 1
    PICK_LATEST = 2
    """Answer the one written last. The context still covers all of them."""
    FAIL = 3
    """Answer none: an error with the reason CONFLICT, and the context in its detail."""


class Blind(enum.Enum):
    """What a write without a context does to what the key already holds."""

    OVERWRITE = 1
    """Supersede what the coordinating replica holds."""
    ADD_SIBLING = 2
    """Keep everything, add one version."""
    REJECT = 3
    """Refuse with the reason KEY_EXISTS if the coordinating replica holds a value. This is no lock."""


class Handoff(enum.Enum):
    """Whether a write counts nodes that stand in for replicas that are away."""

    STRICT = 1
    SLOPPY = 2


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How a read is carried out."""

    consistency: Consistency | int | None = None
    """A level, or a number of replicas. None: the default of the bucket."""
    min_context: Context | None = None
    """Answer nothing older than this; fail with CONTEXT_NOT_REACHED rather."""
    on_conflict: OnConflict | None = None
    omit_data: bool = False
    """Leave the data out of the answer: only versions, context and report."""
    fallback: Sequence[Consistency] = ()
    """Weaker levels to accept, in this order, if the one asked for cannot be met."""


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How a write is carried out."""

    consistency: Consistency | int | None = None
    """A level, or a number of replicas. None: the default of the bucket."""
    handoff: Handoff | None = None
    durability: Durability | None = None
    request_id: bytes | None = None
    """16 random bytes, the same for every retry of one logical write. None: the client makes one."""


@dataclass(frozen=True, slots=True)
class Tls:
    """Talk TLS. All three are PEM; without `ca` the roots of gRPC are trusted."""

    ca: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = None
