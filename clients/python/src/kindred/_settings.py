"""What a client was told when it was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import grpc

from kindred.errors import InvalidRequestError
from kindred.options import ReadOptions, Tls, WriteOptions
from kindred.resolvers import Resolver

# A record may be 8 MiB, and an answer a little more than its record.
_RECEIVE_BYTES_MAX = 16 * 1024 * 1024

CHANNEL_OPTIONS: tuple[tuple[str, int], ...] = (
    # This client knows what is safe to retry; gRPC does not.
    ("grpc.enable_retries", 0),
    ("grpc.max_receive_message_length", _RECEIVE_BYTES_MAX),
    # A connection that says nothing is found dead within 15 seconds of a call.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 2_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # Each client has connections of its own, and none of another's backoff.
    ("grpc.use_local_subchannel_pool", 1),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The parts of it that operations go by. Times are in seconds."""

    timeout: float = 5.0
    attempts: int = 4
    read: ReadOptions | None = None
    write: WriteOptions = field(default_factory=WriteOptions)
    resolvers: Mapping[str, Resolver] = field(default_factory=dict)
    update_attempts: int = 10

    def __post_init__(self) -> None:
        if not self.timeout > 0:
            raise InvalidRequestError(f"timeout is more than 0 seconds, not {self.timeout}")
        if self.attempts < 1:
            raise InvalidRequestError(f"attempts is at least 1, not {self.attempts}")
        if self.update_attempts < 1:
            raise InvalidRequestError(f"update_attempts is at least 1, not {self.update_attempts}")


def channel_credentials(tls: Tls) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(tls.ca, tls.key, tls.certificate)


def call_metadata(token: str | None) -> tuple[tuple[str, str], ...] | None:
    return (("authorization", f"Bearer {token}"),) if token else None
