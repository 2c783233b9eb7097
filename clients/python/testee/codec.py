"""Between the JSON of the conformance suite and the types of the client.

Bytes are base64, 64-bit numbers decimal strings, enum values their names in the proto files without prefix.
"""

from __future__ import annotations

import base64
from datetime import datetime, timedelta, timezone
from enum import Enum
from typing import Any, TypeVar

import kindred
from kindred import values

E = TypeVar("E", bound=Enum)
Json = dict[str, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MS = timedelta(milliseconds=1)


def to_bytes(text: str) -> bytes:
    return base64.b64decode(text)


def from_bytes(data: bytes) -> str:
    return base64.b64encode(data).decode()


# ---- Requests -----------------------------------------------------------------------------


def key(request: Json) -> tuple[str, bytes]:
    return request.get("bucket", ""), to_bytes(request["key"])


def value(json: Json) -> kindred.Value:
    return kindred.Value(
        to_bytes(json.get("data", "")), json.get("contentType", ""), json.get("metadata", {})
    )


def context(json: Json, name: str = "context") -> kindred.Context | None:
    return kindred.Context(to_bytes(json[name])) if json.get(name) is not None else None


def read(request: Json) -> kindred.ReadOptions | None:
    json = request.get("read")
    if json is None:
        return None
    return kindred.ReadOptions(
        consistency=_strength(json),
        min_context=context(json, "minContext"),
        on_conflict=_member(kindred.OnConflict, json.get("onConflict")),
        omit_data=json.get("omitData", False),
        fallback=[kindred.Consistency[name] for name in json.get("fallback", [])],
    )


def write(request: Json) -> kindred.WriteOptions | None:
    json = request.get("write")
    if json is None:
        return None
    return kindred.WriteOptions(
        consistency=_strength(json),
        handoff=_member(kindred.Handoff, json.get("handoff")),
        durability=_member(kindred.Durability, json.get("durability")),
        request_id=to_bytes(json["requestId"]) if json.get("requestId") is not None else None,
    )


def causality(request: Json) -> Json:
    return {"context": context(request), "blind": _member(kindred.Blind, request.get("blind"))}


def expiry(request: Json) -> Json:
    arguments: Json = {}
    if request.get("ttlMs") is not None:
        arguments["ttl"] = int(request["ttlMs"]) * _MS
    if request.get("expireTimeMs") is not None:
        arguments["expire_time"] = _EPOCH + int(request["expireTimeMs"]) * _MS
    if request.get("keepExpiry"):
        arguments["keep_expiry"] = True
    return arguments


def mutation(json: Json) -> kindred.Mutation:
    if "put" in json:
        put = json["put"]
        bucket, name = key(put)
        return kindred.Put(
            bucket, name, value(put.get("value", {})), **causality(put), **expiry(put), write=write(put)
        )
    delete = json["delete"]
    bucket, name = key(delete)
    return kindred.Delete(bucket, name, **causality(delete), write=write(delete))


def _strength(json: Json) -> kindred.Consistency | int | None:
    if json.get("replicas") is not None:
        return int(json["replicas"])
    return _member(kindred.Consistency, json.get("consistency"))


def _member(kind: type[E], name: str | None) -> E | None:
    return None if name is None else kind[name]


# ---- Answers ------------------------------------------------------------------------------


def answer(result: object) -> Json:
    match result:
        case values.Found() | values.Conflict() | values.Absent():
            return {
                "state": type(result).__name__.upper(),
                "versions": [_version(version) for version in values.versions_of(result)],
                "context": from_bytes(result.context.token),
                "report": _read_report(result.report),
            }
        case values.PutResult(seen, dot, versions_held, report):
            return {
                "context": from_bytes(seen.token),
                "dot": _dot(dot),
                "versionsHeld": versions_held,
                "report": _write_report(report),
            }
        case values.TouchResult(applied, seen, touch_report):
            answered: Json = {"applied": applied, "context": from_bytes(seen.token)}
            if touch_report is not None:
                answered["report"] = _write_report(touch_report)
            return answered
        case values.WriteOutcome(status, found, seen):
            told: Json = {"outcome": status.name, "context": from_bytes(seen.token)}
            if found is not None:
                told["dot"] = _dot(found)
            return told
        case values.UpdateResult(stored, seen, versions_held):
            updated: Json = {"context": from_bytes(seen.token), "versionsHeld": versions_held}
            if stored is not None:
                updated["value"] = _value(stored)
            return updated
    raise TypeError(f"no answer is a {type(result).__name__}")


def item(result: object) -> Json:
    """The result of one operation among several."""
    if isinstance(result, kindred.KindredError):
        return {"error": error(result)}
    return {"ok": answer(result)}


def error(failed: kindred.KindredError) -> Json:
    detail = failed.detail
    json: Json = {
        "code": failed.code.name,
        "message": failed.message,
        "reason": failed.reason.name if detail else "",
        "outcome": failed.outcome.name,
        "safeToRetry": failed.safe_to_retry,
        "attempts": failed.attempts,
        "hasDetail": detail is not None,
        "required": detail.required if detail else 0,
        "alive": detail.alive if detail else 0,
        "answered": detail.answered if detail else 0,
        "failures": [
            {"nodeId": failure.node_id, "reason": failure.reason.name}
            for failure in (detail.failures if detail else ())
        ],
        "field": detail.field if detail else "",
    }
    if detail and detail.context:
        json["context"] = from_bytes(detail.context.token)
    if detail and detail.retry_after is not None:
        json["retryAfterMs"] = detail.retry_after // _MS
    if isinstance(failed, kindred.ConflictError):
        json["kind"] = "conflict"
        json["applied"] = failed.applied
        json["versions"] = [_version(version) for version in failed.versions]
        json["context"] = from_bytes(failed.context.token)
    return json


def _version(version: kindred.Version) -> Json:
    json: Json = {"deleted": True} if version.value is None else _value(version.value)
    json["dot"] = _dot(version.dot)
    json["clock"] = [_dot(dot) for dot in version.clock]
    json["writtenAtMs"] = str((version.written_at - _EPOCH) // _MS)
    if version.expire_time is not None:
        json["expireTimeMs"] = str((version.expire_time - _EPOCH) // _MS)
    return json


def _value(stored: kindred.Value) -> Json:
    return {
        "data": from_bytes(stored.data),
        "contentType": stored.content_type,
        "metadata": dict(stored.metadata),
    }


def _dot(dot: kindred.Dot) -> Json:
    return {"replica": str(dot.replica), "epoch": dot.epoch, "counter": str(dot.counter)}


def _read_report(report: kindred.ReadReport) -> Json:
    return {
        "achieved": _level(report.achieved),
        "replicasAsked": report.replicas_asked,
        "replicasAnswered": report.replicas_answered,
        "replicasAgreed": report.replicas_agreed,
        "repairStarted": report.repair_started,
        "coordinator": report.coordinator,
        "topologyEpoch": str(report.topology_epoch),
    }


def _write_report(report: kindred.WriteReport) -> Json:
    return {
        "achieved": _level(report.achieved),
        "acked": report.acked,
        "hinted": report.hinted,
        "synced": report.synced,
        "replayed": report.replayed,
        "coordinator": report.coordinator,
        "topologyEpoch": str(report.topology_epoch),
    }


def _level(level: kindred.Consistency | None) -> str:
    return "UNSPECIFIED" if level is None else level.name
