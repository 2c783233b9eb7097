"""From this package's types to messages of kindred.v1, and back."""

from __future__ import annotations

import enum
from datetime import datetime, timedelta, timezone
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from kindred.errors import ErrorDetail, InvalidRequestError, Outcome, Reason, ReplicaFailure
from kindred.options import Blind, Consistency, ReadOptions, WriteOptions
from kindred.v1 import kv_pb2, types_pb2
from kindred.values import (
    Absent,
    Conflict,
    Context,
    Dot,
    Found,
    GetResult,
    PutResult,
    ReadReport,
    TouchResult,
    Value,
    ValueLike,
    Version,
    WriteOutcome,
    WriteReport,
    WriteStatus,
)

REQUEST_ID_BYTES = 16

_LEVELS: tuple[Consistency | None, ...] = (None, *Consistency)
_CONFLICT = kv_pb2.GetResponse.STATE_CONFLICT
_CODES = {code.value[0]: code for code in grpc.StatusCode}
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)


# ---- Requests -----------------------------------------------------------------------------


def key_bytes(key: str | bytes) -> bytes:
    return key.encode() if isinstance(key, str) else key


def bucket_name(bucket: str) -> str:
    """The bucket that is meant: no name is that of the default bucket."""
    return bucket or "default"


def key_message(bucket: str, key: bytes) -> types_pb2.Key:
    return types_pb2.Key(bucket=bucket, key=key)


def value_of(value: ValueLike) -> Value:
    match value:
        case Value():
            return value
        case str():
            return Value(value.encode())
        case bytes():
            return Value(value)
    raise InvalidRequestError(f"a value is a Value, bytes or str, not {type(value).__name__}")


def value_message(value: ValueLike) -> types_pb2.Value:
    if isinstance(value, bytes):
        return types_pb2.Value(data=value)
    value = value_of(value)
    return types_pb2.Value(data=value.data, content_type=value.content_type, metadata=value.metadata)


def read_options(options: ReadOptions) -> types_pb2.ReadOptions:
    message = types_pb2.ReadOptions(omit_data=options.omit_data)
    if options.consistency is not None:
        _set_strength(message, options.consistency)
    if options.min_context is not None:
        message.min_context = options.min_context.token
    if options.on_conflict is not None:
        message.on_conflict = _number(options.on_conflict)
    for level in options.fallback:
        message.fallback.append(_number(level))
    return message


def write_options(options: WriteOptions, request_id: bytes) -> types_pb2.WriteOptions:
    if len(request_id) != REQUEST_ID_BYTES:
        raise InvalidRequestError(f"a request_id has {REQUEST_ID_BYTES} bytes, not {len(request_id)}")
    message = types_pb2.WriteOptions(request_id=request_id)
    if options.consistency is not None:
        _set_strength(message, options.consistency)
    if options.handoff is not None:
        message.handoff = _number(options.handoff)
    if options.durability is not None:
        message.durability = _number(options.durability)
    return message


def set_causality(
    message: kv_pb2.PutRequest | kv_pb2.DeleteRequest, context: Context | None, blind: Blind | None
) -> None:
    if context is not None and blind is not None:
        raise InvalidRequestError("a write has a context or is blind, not both")
    if context is not None:
        message.context = context.token
    elif blind is not None:
        message.blind = _number(blind)


def set_put_expiry(
    message: kv_pb2.PutRequest, ttl: timedelta | None, expire_time: datetime | None, keep_expiry: bool
) -> None:
    if (ttl is not None) + (expire_time is not None) + keep_expiry > 1:
        raise InvalidRequestError("give one of ttl, expire_time and keep_expiry")
    if keep_expiry:
        message.keep_expiry = True
    elif ttl is not None:
        message.ttl.CopyFrom(duration_message(ttl))
    elif expire_time is not None:
        message.expire_time.CopyFrom(timestamp_message(expire_time))


def set_touch_expiry(
    message: kv_pb2.TouchRequest, ttl: timedelta | None, expire_time: datetime | None
) -> None:
    if ttl is not None and expire_time is not None:
        raise InvalidRequestError("give ttl, expire_time, or neither: then the key never expires")
    if ttl is not None:
        message.ttl.CopyFrom(duration_message(ttl))
    elif expire_time is not None:
        message.expire_time.CopyFrom(timestamp_message(expire_time))
    else:
        message.never = True


def duration_message(span: timedelta) -> Duration:
    message = Duration()
    message.FromTimedelta(span)
    return message


def timestamp_message(moment: datetime) -> Timestamp:
    if moment.tzinfo is None:
        raise InvalidRequestError("a time needs a time zone: datetime.now(timezone.utc), for example")
    seconds, micros = divmod((moment - _EPOCH) // _MICROSECOND, 1_000_000)
    return Timestamp(seconds=seconds, nanos=micros * 1_000)


def _number(member: enum.Enum) -> Any:
    # Any: the generated types tell the numbers of each enum from all other numbers.
    return member.value


def _set_strength(
    message: types_pb2.ReadOptions | types_pb2.WriteOptions, strength: Consistency | int
) -> None:
    if isinstance(strength, Consistency):
        message.consistency = _number(strength)
    elif strength >= 0:
        message.replicas = strength
    else:
        raise InvalidRequestError(f"a number of replicas is not negative: {strength}")


# ---- Answers ------------------------------------------------------------------------------


def get_result(response: kv_pb2.GetResponse) -> GetResult:
    context = Context(response.context)
    versions = response.versions
    if response.state == _CONFLICT:
        return Conflict(
            tuple([_version(version) for version in versions]), context, _read_report(response.report)
        )
    if versions:
        version = versions[0]
        if version.HasField("value"):
            value = _value(version.value)
            return Found(
                value,
                lambda: _version_of(version, value),
                context,
                lambda: _read_report(response.report),
            )
    return Absent(context, _read_report(response.report))


def put_result(response: kv_pb2.PutResponse | kv_pb2.DeleteResponse) -> PutResult:
    return PutResult(
        Context(response.context), _dot(response.dot), response.versions_held, _write_report(response.report)
    )


def touch_result(response: kv_pb2.TouchResponse) -> TouchResult:
    report = _write_report(response.report) if response.applied else None
    return TouchResult(response.applied, Context(response.context), report)


def write_outcome(response: kv_pb2.GetWriteOutcomeResponse) -> WriteOutcome:
    applied = response.outcome == kv_pb2.GetWriteOutcomeResponse.OUTCOME_APPLIED
    return WriteOutcome(
        WriteStatus.APPLIED if applied else WriteStatus.NOT_SEEN,
        _dot(response.dot) if applied else None,
        Context(response.context),
    )


def error_detail(detail: types_pb2.ErrorDetail) -> ErrorDetail:
    return ErrorDetail(
        reason=Reason(detail.reason),
        outcome=Outcome(detail.write_outcome),
        safe_to_retry=detail.safe_to_retry,
        retry_after=detail.retry_after.ToTimedelta() if detail.HasField("retry_after") else None,
        required=detail.required,
        alive=detail.alive,
        answered=detail.answered,
        failures=tuple(ReplicaFailure(each.node_id, Reason(each.reason)) for each in detail.failures),
        topology_epoch=detail.topology_epoch,
        context=Context(detail.context) if detail.context else None,
        field=detail.field,
    )


def status_code(number: int) -> grpc.StatusCode:
    return _CODES.get(number, grpc.StatusCode.UNKNOWN)


def _value(stored: types_pb2.Value) -> Value:
    metadata = stored.metadata
    return Value(stored.data, stored.content_type, dict(metadata) if metadata else {})


def _version(version: types_pb2.Version) -> Version:
    return _version_of(version, _value(version.value) if version.HasField("value") else None)


def _version_of(version: types_pb2.Version, value: Value | None) -> Version:
    return Version(
        value,
        _dot(version.dot),
        tuple([_dot(entry) for entry in version.clock.entries]),
        _datetime(version.written_at),
        _datetime(version.expire_time) if version.HasField("expire_time") else None,
    )


def _dot(dot: types_pb2.Dot) -> Dot:
    return Dot(dot.replica, dot.epoch, dot.counter)


def _datetime(timestamp: Timestamp) -> datetime:
    # Not ToDatetime(): this is exact, and several times as fast.
    return _EPOCH + timedelta(0, timestamp.seconds, timestamp.nanos // 1_000)


def _level(number: int) -> Consistency | None:
    return _LEVELS[number] if number < len(_LEVELS) else None


def _read_report(report: types_pb2.ReadReport) -> ReadReport:
    return ReadReport(
        _level(report.achieved),
        report.replicas_asked,
        report.replicas_answered,
        report.replicas_agreed,
        report.repair_started,
        report.coordinator,
        report.topology_epoch,
    )


def _write_report(report: types_pb2.WriteReport) -> WriteReport:
    return WriteReport(
        _level(report.achieved),
        report.acked,
        report.hinted,
        report.synced,
        report.replayed,
        report.coordinator,
        report.topology_epoch,
    )
