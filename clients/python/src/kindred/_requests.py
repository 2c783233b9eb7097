"""The messages that operations send, with the defaults of the client filled in."""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from kindred import _wire
from kindred._settings import Settings
from kindred.options import Blind, ReadOptions, WriteOptions
from kindred.v1 import kv_pb2
from kindred.values import Context, ValueLike


class Requests:
    """Makes messages. Each write gets a request id, unless its caller gave one."""

    def __init__(self, settings: Settings) -> None:
        self._read = settings.read
        self._write = settings.write

    def get(self, bucket: str, key: str | bytes, read: ReadOptions | None) -> kv_pb2.GetRequest:
        name = _wire.key_message(bucket, _wire.key_bytes(key))
        options = read or self._read
        if options is None:
            return kv_pb2.GetRequest(key=name)
        return kv_pb2.GetRequest(key=name, options=_wire.read_options(options))

    def put(
        self,
        bucket: str,
        key: str | bytes,
        value: ValueLike,
        context: Context | None,
        blind: Blind | None,
        ttl: timedelta | None,
        expire_time: datetime | None,
        keep_expiry: bool,
        write: WriteOptions | None,
    ) -> kv_pb2.PutRequest:
        options = write or self._write
        request = kv_pb2.PutRequest(
            key=_wire.key_message(bucket, _wire.key_bytes(key)),
            value=_wire.value_message(value),
            options=_wire.write_options(options, request_id(options)),
        )
        _wire.set_causality(request, context, blind)
        _wire.set_put_expiry(request, ttl, expire_time, keep_expiry)
        return request

    def delete(
        self,
        bucket: str,
        key: str | bytes,
        context: Context | None,
        blind: Blind | None,
        write: WriteOptions | None,
    ) -> kv_pb2.DeleteRequest:
        options = write or self._write
        request = kv_pb2.DeleteRequest(
            key=_wire.key_message(bucket, _wire.key_bytes(key)),
            options=_wire.write_options(options, request_id(options)),
        )
        _wire.set_causality(request, context, blind)
        return request

    def touch(
        self,
        bucket: str,
        key: str | bytes,
        ttl: timedelta | None,
        expire_time: datetime | None,
        context: Context | None,
        write: WriteOptions | None,
    ) -> kv_pb2.TouchRequest:
        options = write or self._write
        request = kv_pb2.TouchRequest(
            key=_wire.key_message(bucket, _wire.key_bytes(key)),
            context=context.token if context else b"",
            options=_wire.write_options(options, request_id(options)),
        )
        _wire.set_touch_expiry(request, ttl, expire_time)
        return request

    def write_outcome(
        self, bucket: str, key: str | bytes, request_id: bytes, read: ReadOptions | None
    ) -> kv_pb2.GetWriteOutcomeRequest:
        options = read or self._read
        return kv_pb2.GetWriteOutcomeRequest(
            key=_wire.key_message(bucket, _wire.key_bytes(key)),
            request_id=request_id,
            options=_wire.read_options(options) if options else None,
        )


def request_id(options: WriteOptions) -> bytes:
    return os.urandom(_wire.REQUEST_ID_BYTES) if options.request_id is None else options.request_id
