"""What reads answer: immutable, comparable, and made no sooner than somebody looks at it."""

from __future__ import annotations

import copy
import pickle
from datetime import datetime, timezone

import pytest

from kindred import _wire
from kindred.options import Consistency
from kindred.v1 import kv_pb2, types_pb2
from kindred.values import Context, Dot, Found, ReadReport, Value, Version


def answered(data: bytes = b"milk") -> Found:
    message = types_pb2.Version(
        value=types_pb2.Value(data=data, content_type="text/plain", metadata={"by": "ann"}),
        dot=types_pb2.Dot(replica=7, epoch=1, counter=2),
        clock=types_pb2.VectorClock(entries=[types_pb2.Dot(replica=7, epoch=1, counter=1)]),
    )
    message.written_at.seconds = 86_400
    report = types_pb2.ReadReport(
        achieved=types_pb2.CONSISTENCY_LEVEL_QUORUM, replicas_asked=3, replicas_answered=2, coordinator="n1"
    )
    found = _wire.get_result(
        kv_pb2.GetResponse(
            state=kv_pb2.GetResponse.STATE_FOUND, versions=[message], context=b"seen", report=report
        )
    )
    assert isinstance(found, Found)
    return found


def test_what_was_found_tells_all_of_its_version_and_how_it_was_read() -> None:
    value = Value(b"milk", "text/plain", {"by": "ann"})
    version = Version(
        value, Dot(7, 1, 2), (Dot(7, 1, 1),), datetime(1970, 1, 2, tzinfo=timezone.utc), expire_time=None
    )
    report = ReadReport(Consistency.QUORUM, 3, 2, 0, False, "n1", 0)
    match answered():
        case Found(seen, its_version, context, its_report):
            assert (seen, its_version, context, its_report) == (value, version, Context(b"seen"), report)
    assert answered() == Found(value, version, Context(b"seen"), report)
    assert hash(answered()) == hash(answered())
    assert answered() != answered(b"bread")
    assert answered() != "milk"
    assert repr(answered()).startswith("Found(value=Value(data=b'milk', content_type='text/plain'")


def test_what_was_found_is_copied_and_pickled_whole() -> None:
    found = answered()
    assert pickle.loads(pickle.dumps(found)) == found
    assert copy.deepcopy(found) == found
    assert found.version is found.version


def test_what_was_found_cannot_be_changed() -> None:
    found = answered()
    with pytest.raises(AttributeError, match="value of what was found cannot be set"):
        found.value = Value(b"bread")
    with pytest.raises(AttributeError, match="context of what was found cannot be deleted"):
        del found.context
