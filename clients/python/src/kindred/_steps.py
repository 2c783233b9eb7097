"""What operations ask of the world. They are generators that yield steps; a client carries them out.

The blocking client and the asyncio client run the very same operations. What differs between them is only
how a step is carried out, which is all that the two have of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from google.protobuf.message import Message

T = TypeVar("T")


@dataclass(slots=True)
class Call:
    """Make a unary call. Sent back: the response, or a `Failure`."""

    method: str
    """The name of the method in its stub."""
    request: Message
    endpoint: int
    timeout: float


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait so many seconds. Sent back: nothing."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Apply:
    """Call a function of the user (with asyncio, perhaps a coroutine function). Sent back: its result."""

    function: Callable[..., Any]
    argument: Any


Step: TypeAlias = Call | Sleep | Apply

Steps: TypeAlias = Generator[Step, Any, T]
"""An operation that returns T in the end."""
