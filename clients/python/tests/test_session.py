"""What a session passes on from one operation to the next."""

from __future__ import annotations

import itertools

import pytest
from play import World

from kindred import ConflictError, Consistency, ReadOptions
from kindred._session import SessionOperations
from kindred._steps import Call
from kindred.v1 import kv_pb2, types_pb2


def world_of_contexts() -> World:
    """Each answer has a context of its own: c1, c2, ..."""
    numbers = itertools.count(1)

    def answer(call: Call) -> object:
        context = b"c%d" % next(numbers)
        if isinstance(call.request, kv_pb2.GetRequest):
            return kv_pb2.GetResponse(state=kv_pb2.GetResponse.STATE_ABSENT, context=context)
        return kv_pb2.PutResponse(context=context, versions_held=1)

    return World(answer)


def test_reads_ask_for_what_was_seen_and_writes_supersede_it() -> None:
    world = world_of_contexts()
    session = SessionOperations(world.operations, 10)
    one = ReadOptions(consistency=Consistency.ONE)
    world.run(session.put("carts", "ann", b"milk"))
    world.run(session.get("carts", b"ann", one))
    world.run(session.put("carts", "ann", b"eggs"))
    world.run(session.delete("carts", "ann"))
    world.run(session.get("carts", "ann"))
    put, get, again, delete, last = (call.request for call in world.calls)
    assert isinstance(put, kv_pb2.PutRequest)
    assert put.WhichOneof("causality") is None
    assert isinstance(get, kv_pb2.GetRequest)
    assert (get.options.min_context, get.options.consistency) == (b"c1", Consistency.ONE.value)
    assert isinstance(again, kv_pb2.PutRequest)
    assert again.context == b"c2"
    assert isinstance(delete, kv_pb2.DeleteRequest)
    assert delete.context == b"c3"
    assert isinstance(last, kv_pb2.GetRequest)
    assert last.options.min_context == b"c4"


def test_keys_and_buckets_are_apart() -> None:
    world = world_of_contexts()
    session = SessionOperations(world.operations, 10)
    world.run(session.put("carts", "ann", b"milk"))
    world.run(session.get("carts", "ben"))
    world.run(session.get("users", "ann"))
    for call in world.calls[1:]:
        assert isinstance(call.request, kv_pb2.GetRequest)
        assert call.request.options.min_context == b""


def test_updates_go_on_from_what_was_seen() -> None:
    world = world_of_contexts()
    session = SessionOperations(world.operations, 10)
    world.run(session.put("carts", "ann", b"milk"))
    world.run(session.update("carts", "ann", lambda current: b"eggs"))
    world.run(session.get("carts", "ann"))
    get, put, last = (call.request for call in world.calls[1:])
    assert isinstance(get, kv_pb2.GetRequest)
    assert (get.options.min_context, get.options.consistency) == (b"c1", Consistency.QUORUM.value)
    assert isinstance(put, kv_pb2.PutRequest)
    assert put.context == b"c2"
    assert isinstance(last, kv_pb2.GetRequest)
    assert last.options.min_context == b"c3"


def test_an_update_that_ends_in_a_conflict_is_remembered() -> None:
    def answer(call: Call) -> object:
        if isinstance(call.request, kv_pb2.GetRequest):
            value = types_pb2.Version(value=types_pb2.Value(data=b"milk"))
            return kv_pb2.GetResponse(
                state=kv_pb2.GetResponse.STATE_CONFLICT, versions=[value, value], context=b"both"
            )
        return kv_pb2.PutResponse(context=b"written", versions_held=1)

    world = World(answer)
    session = SessionOperations(world.operations, 10)
    with pytest.raises(ConflictError):
        world.run(session.update("carts", "ann", lambda current: b"eggs"))
    world.run(session.put("carts", "ann", b"eggs"))
    put = world.calls[-1].request
    assert isinstance(put, kv_pb2.PutRequest)
    assert put.context == b"both"


def test_no_bucket_is_the_default_bucket() -> None:
    world = world_of_contexts()
    session = SessionOperations(world.operations, 10)
    world.run(session.put("", "ann", b"milk"))
    world.run(session.get("default", "ann"))
    get = world.calls[-1].request
    assert isinstance(get, kv_pb2.GetRequest)
    assert get.options.min_context == b"c1"


def test_the_key_that_was_not_used_for_longest_is_forgotten() -> None:
    world = world_of_contexts()
    session = SessionOperations(world.operations, 2)
    for key in ("ann", "ben", "ann", "cat"):
        world.run(session.get("carts", key))
    world.run(session.get("carts", "ann"))
    world.run(session.get("carts", "ben"))
    ann, ben = (call.request for call in world.calls[-2:])
    assert isinstance(ann, kv_pb2.GetRequest)
    assert ann.options.min_context == b"c3"
    assert isinstance(ben, kv_pb2.GetRequest)
    assert ben.options.min_context == b""
