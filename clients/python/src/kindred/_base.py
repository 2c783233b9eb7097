"""What the blocking and the asyncio client have in common: everything but how they wait."""

from __future__ import annotations

import copy
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from kindred._endpoints import Endpoints
from kindred._operations import Operations
from kindred._placement import Placements
from kindred._settings import Settings
from kindred._wire import bucket_name
from kindred.options import ReadOptions, Tls, WriteOptions
from kindred.resolvers import Resolver

if TYPE_CHECKING:
    from typing_extensions import Self


class BaseClient(ABC):
    """A client of a Kindred cluster. Any node serves any request, so one endpoint is enough to begin with.

    :param endpoints: one or several ``"host:port"``. Requests go to them in turn; one that is broken is
        skipped while others work.
    :param timeout: seconds that an operation may take, with all its attempts.
    :param attempts: how often an operation is tried, where that is safe.
    :param read: options of reads that are given none.
    :param write: options of writes that are given none.
    :param tls: talk TLS; without it, in the clear.
    :param token: sent with each call as ``authorization: Bearer ...``.
    :param direct_routing: learn where keys live, and send each request straight to a replica. Saves a hop
        between nodes; their addresses must be reachable from here.
    :param resolvers: for each bucket that has one, the function that makes one value of several that raced.
    :param update_attempts: how often `update` tries to win a race.
    """

    def __init__(
        self,
        endpoints: str | Iterable[str],
        *,
        timeout: float = 5.0,
        attempts: int = 4,
        read: ReadOptions | None = None,
        write: WriteOptions | None = None,
        tls: Tls | None = None,
        token: str | None = None,
        direct_routing: bool = False,
        resolvers: Mapping[str, Resolver] | None = None,
        update_attempts: int = 10,
    ) -> None:
        settings = Settings(
            timeout,
            attempts,
            read,
            write or WriteOptions(),
            {bucket_name(bucket): resolver for bucket, resolver in (resolvers or {}).items()},
            update_attempts,
        )
        known = Endpoints([endpoints] if isinstance(endpoints, str) else endpoints)
        placements = Placements(known.index_of) if direct_routing else None
        self._operations = Operations(settings, known, placements, time.monotonic, random.random)
        self._connect(known, tls, token)

    def with_options(
        self,
        *,
        timeout: float | None = None,
        attempts: int | None = None,
        read: ReadOptions | None = None,
        write: WriteOptions | None = None,
    ) -> Self:
        """The same client with other options, over the same connections."""
        settings = self._operations.settings
        other = copy.copy(self)
        other._operations = self._operations.with_settings(
            replace(
                settings,
                timeout=settings.timeout if timeout is None else timeout,
                attempts=settings.attempts if attempts is None else attempts,
                read=settings.read if read is None else read,
                write=settings.write if write is None else write,
            )
        )
        return other

    @abstractmethod
    def _connect(self, endpoints: Endpoints, tls: Tls | None, token: str | None) -> None: ...
