"""Batches: every item gets its result, whatever becomes of the call that carried it."""

from __future__ import annotations

import grpc
import pytest
from play import World, broken, refused

from kindred import (
    Absent,
    BatchItem,
    ClientClosedError,
    Delete,
    GetResult,
    KindredError,
    Mutation,
    Outcome,
    Put,
    Reason,
    WriteOptions,
)
from kindred._batch import Batch, batch_get, batch_write
from kindred._failure import client_closed
from kindred.v1 import kv_pb2, types_pb2

ABSENT = kv_pb2.GetResponse(state=kv_pb2.GetResponse.STATE_ABSENT)
KEYS = [("carts", "ann"), ("carts", "ben"), ("carts", "cat")]


def draining() -> types_pb2.ItemStatus:
    detail = types_pb2.ErrorDetail(
        reason=types_pb2.ERROR_REASON_NODE_DRAINING,
        write_outcome=types_pb2.WRITE_OUTCOME_NOT_APPLIED,
        safe_to_retry=True,
    )
    return types_pb2.ItemStatus(code=14, message="draining", detail=detail)


def got(index: int) -> kv_pb2.BatchGetResponse:
    return kv_pb2.BatchGetResponse(index=index, result=ABSENT)


def answered(batch: Batch[GetResult], *responses: kv_pb2.BatchGetResponse) -> list[BatchItem[GetResult]]:
    items = [batch.answered(response) for response in responses]
    return [item for item in items if item is not None]


def test_items_are_told_apart_by_their_place() -> None:
    world = World()
    batch = batch_get(world.operations, KEYS, None)
    request, timeout = batch.request()
    assert [key.key for key in request.keys] == [b"ann", b"ben", b"cat"]
    assert timeout == 5
    assert [item.index for item in answered(batch, got(2), got(0), got(1))] == [2, 0, 1]
    assert batch.ended(None) == ([], 0)
    assert not batch.pending


def test_what_failed_for_now_is_sent_again_alone_and_elsewhere() -> None:
    world = World()
    batch = batch_get(world.operations, KEYS, None)
    batch.request()
    first = batch.endpoint
    assert len(answered(batch, got(0), kv_pb2.BatchGetResponse(index=1, status=draining()), got(2))) == 2
    assert batch.ended(None) == ([], 0.025)
    request, _ = batch.request()
    assert [key.key for key in request.keys] == [b"ben"]
    assert batch.endpoint != first
    (item,) = answered(batch, got(0))
    assert item.index == 1
    assert isinstance(item.result, Absent)
    batch.ended(None)
    assert not batch.pending


def test_what_had_no_answer_when_the_stream_broke_is_sent_again() -> None:
    world = World()
    batch = batch_get(world.operations, KEYS, None)
    batch.request()
    answered(batch, got(1))
    assert batch.ended(broken())[0] == []
    request, _ = batch.request()
    assert [key.key for key in request.keys] == [b"ann", b"cat"]


def test_a_stream_that_just_ends_has_not_answered() -> None:
    world = World()
    batch = batch_get(world.operations, KEYS, None)
    batch.request()
    batch.ended(None)
    assert len(batch.request()[0].keys) == 3


def test_errors_of_items_are_values() -> None:
    world = World(attempts=1)
    batch = batch_get(world.operations, KEYS, None)
    batch.request()
    (item,) = answered(batch, kv_pb2.BatchGetResponse(index=1, status=draining()))
    assert isinstance(item.result, KindredError)
    assert item.result.reason is Reason.NODE_DRAINING
    answered(batch, got(0))
    (rest,), _ = batch.ended(broken())
    assert rest.index == 2
    assert isinstance(rest.result, KindredError)
    assert not batch.pending


def test_a_batch_that_is_refused_as_a_whole_raises() -> None:
    world = World()
    batch = batch_get(world.operations, KEYS, None)
    batch.request()
    with pytest.raises(KindredError) as raised:
        batch.ended(refused(Reason.TOO_LARGE, code=grpc.StatusCode.INVALID_ARGUMENT))
    assert raised.value.reason is Reason.TOO_LARGE


def test_an_empty_batch_is_for_the_server_to_refuse() -> None:
    batch = batch_get(World().operations, [], None)
    assert batch.pending
    batch.request()
    with pytest.raises(KindredError):
        batch.ended(refused(Reason.INVALID_REQUEST, code=grpc.StatusCode.INVALID_ARGUMENT))


def test_each_write_has_a_request_id_of_its_own() -> None:
    world = World()
    own = WriteOptions(request_id=b"0123456789abcdef")
    mutations: list[Mutation] = [
        Put("carts", "ann", b"milk"),
        Delete("carts", "ben"),
        Put("carts", "cat", b"tea", write=own),
    ]
    request, _ = batch_write(world.operations, mutations, None).request()
    put, delete, last = request.mutations
    request_ids = {put.put.options.request_id, delete.delete.options.request_id}
    assert len(request_ids) == 2
    assert all(len(request_id) == 16 for request_id in request_ids)
    assert last.put.options.request_id == b"0123456789abcdef"


def test_the_same_batch_with_the_same_id_has_the_same_items() -> None:
    world = World()
    write = WriteOptions(request_id=b"0123456789abcdef")
    mutations = [Put("carts", "ann", b"milk"), Put("carts", "ben", b"tea")]
    first, _ = batch_write(world.operations, mutations, write).request()
    again, _ = batch_write(world.operations, mutations, write).request()
    assert first == again
    assert first.mutations[0].put.options.request_id != first.mutations[1].put.options.request_id


def test_items_have_the_request_ids_that_the_server_would_give_them() -> None:
    write = WriteOptions(request_id=b"0123456789ab\x00\x00\x01\x01")
    mutations = [Put("carts", "ann", b"milk")] * 259
    request, _ = batch_write(World().operations, mutations, write).request()
    request_ids = [mutation.put.options.request_id for mutation in request.mutations]
    assert request_ids[0] == b"0123456789ab\x00\x00\x01\x01"
    assert request_ids[1] == b"0123456789ab\x00\x00\x01\x00"
    assert request_ids[258] == b"0123456789ab\x00\x00\x00\x03"


def test_the_clock_starts_with_the_first_call_and_stops_while_results_are_used() -> None:
    world = World(timeout=5)
    batch = batch_get(world.operations, KEYS, None)
    world.now += 60
    _, timeout = batch.request()
    assert timeout == 5
    world.now += 1
    answered(batch, got(0), kv_pb2.BatchGetResponse(index=1, status=draining()), got(2))
    batch.ended(None)
    with batch.clock_stopped():
        world.now += 60
    _, timeout = batch.request()
    assert timeout == 4
    assert answered(batch, kv_pb2.BatchGetResponse(index=0, status=draining())) == []


def test_a_client_closed_between_two_calls_does_not_deny_the_first() -> None:
    world = World()
    batch = batch_write(world.operations, [Put("carts", "ann", b"a"), Put("carts", "ben", b"b")], None)
    batch.request()
    batch.ended(broken())
    batch.request()
    with pytest.raises(ClientClosedError) as raised:
        batch.ended(client_closed())
    assert raised.value.outcome is Outcome.UNKNOWN


def test_a_write_that_broke_stays_unknown() -> None:
    world = World(attempts=2)
    batch = batch_write(world.operations, [Put("carts", "ann", b"a"), Put("carts", "ben", b"b")], None)
    batch.request()
    batch.answered(kv_pb2.BatchWriteResponse(index=1, put=kv_pb2.PutResponse()))
    batch.ended(broken())
    batch.request()
    item = batch.answered(kv_pb2.BatchWriteResponse(index=0, status=draining()))
    assert item is not None
    assert isinstance(item.result, KindredError)
    assert item.result.outcome is Outcome.UNKNOWN
