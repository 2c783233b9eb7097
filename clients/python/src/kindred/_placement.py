"""Where keys live, computed here: what lets a client send each key straight to one of its replicas."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import xxhash

from kindred._wire import bucket_name
from kindred.v1 import topology_pb2

HASH = "xxh64"
_TOKEN_BITS = 64
_REFRESH_S = 1.0


def token_of(bucket: str, key: bytes) -> int:
    """The place of a key on the ring: the same on every node and in every client, for ever."""
    return xxhash.xxh64_intdigest(bucket_name(bucket).encode() + b"\0" + key, seed=0)


class Placement:
    """The homes of every partition of one bucket, under one layout of the cluster."""

    __slots__ = ("_addresses", "_homes", "_replication", "_shift", "epoch", "node_ids")

    def __init__(self, response: topology_pb2.GetPlacementResponse, index_of: Callable[[str], int]) -> None:
        self.epoch = response.topology_epoch
        self.node_ids = [node.id for node in response.nodes]
        self._addresses = [index_of(node.address) for node in response.nodes]
        self._homes = list(response.homes)
        self._replication = response.replication
        self._shift = _TOKEN_BITS - response.partition_bits

    def homes(self, token: int) -> list[int]:
        """The endpoints of the key's replicas, in preference order."""
        return [self._addresses[node] for node in self._nodes(token)]

    def home_ids(self, token: int) -> list[str]:
        """The names of the same nodes."""
        return [self.node_ids[node] for node in self._nodes(token)]

    def _nodes(self, token: int) -> list[int]:
        start = (token >> self._shift) * self._replication
        return self._homes[start : start + self._replication]


class Placements:
    """What is known of each bucket's placement, and when to ask anew: at most once a second."""

    def __init__(self, index_of: Callable[[str], int]) -> None:
        self._index_of = index_of
        self._placements: dict[str, Placement] = {}
        self._asked_at: dict[str, float] = {}
        self._stale: set[str] = set()

    def homes(self, bucket: str, key: bytes) -> Sequence[int]:
        placement = self._placements.get(bucket_name(bucket))
        return placement.homes(token_of(bucket, key)) if placement else ()

    def home_ids(self, bucket: str, key: bytes) -> list[str]:
        placement = self._placements.get(bucket_name(bucket))
        return placement.home_ids(token_of(bucket, key)) if placement else []

    def ask(self, bucket: str, now: float) -> bool:
        """Whether the caller should ask for the bucket's placement now. If so, nobody else should."""
        bucket = bucket_name(bucket)
        if bucket in self._placements and bucket not in self._stale:
            return False
        asked_at = self._asked_at.get(bucket)
        if asked_at is not None and now - asked_at < _REFRESH_S:
            return False
        self._asked_at[bucket] = now
        return True

    def learn(self, bucket: str, response: topology_pb2.GetPlacementResponse) -> None:
        # A way of hashing that this client does not know: it goes on without.
        if response.hash == HASH:
            self._placements[bucket_name(bucket)] = Placement(response, self._index_of)
            self._stale.discard(bucket_name(bucket))

    def saw(self, bucket: str, epoch: int) -> None:
        """Takes note of the layout that an answer came from."""
        placement = self._placements.get(bucket_name(bucket))
        if placement is not None and epoch not in (0, placement.epoch):
            self._stale.add(bucket_name(bucket))
