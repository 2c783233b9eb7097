"""Updates: no race is lost in silence, and no change is made twice."""

from __future__ import annotations

from datetime import timedelta

import grpc
import pytest
from play import World, broken, refused

from kindred import (
    DELETE,
    KEEP,
    ConflictError,
    Context,
    InvalidRequestError,
    KindredError,
    OnConflict,
    Outcome,
    ReadOptions,
    Reason,
    Value,
    ValueLike,
    WriteOptions,
)
from kindred._failure import Failure
from kindred._steps import Call
from kindred._update import Verdict, update
from kindred.resolvers import json_set_union
from kindred.v1 import kv_pb2, types_pb2


class Key:
    """A replica that holds one key: versions, and contexts that name which of them somebody has seen."""

    def __init__(self, *values: bytes | None, before_write: list[bytes] | None = None) -> None:
        self.versions: dict[int, bytes | None] = dict(enumerate(values, start=1))
        self.written = len(values)
        self.before_write = before_write or []
        """What others write just before our writes, one for each."""
        self.refuse: list[Failure] = []

    def answer(self, call: Call) -> object:
        match call.request:
            case kv_pb2.GetRequest():
                return self._state()
            case kv_pb2.PutRequest() as put:
                return self._write(put.context, put.value.data)
            case kv_pb2.DeleteRequest() as delete:
                return self._write(delete.context, None)
        raise AssertionError(call)

    def _state(self) -> kv_pb2.GetResponse:
        context = ",".join(map(str, range(1, self.written + 1))).encode()
        live = [data for data in self.versions.values() if data is not None]
        if not live:
            return kv_pb2.GetResponse(state=kv_pb2.GetResponse.STATE_ABSENT, context=context)
        versions = [
            types_pb2.Version(
                value=None if data is None else types_pb2.Value(data=data),
                deleted=types_pb2.Deletion() if data is None else None,
                dot=types_pb2.Dot(replica=1, epoch=1, counter=number),
            )
            for number, data in self.versions.items()
        ]
        state = kv_pb2.GetResponse.STATE_FOUND if len(versions) == 1 else kv_pb2.GetResponse.STATE_CONFLICT
        return kv_pb2.GetResponse(state=state, versions=versions, context=context)

    def _write(self, context: bytes, data: bytes | None) -> object:
        if self.refuse:
            return self.refuse.pop(0)
        if self.before_write:
            self.written += 1
            self.versions[self.written] = self.before_write.pop(0)
        seen = [int(number) for number in context.split(b",") if number]
        self.versions = {number: held for number, held in self.versions.items() if number not in seen}
        self.written += 1
        self.versions[self.written] = data
        answered = b",".join([*(b"%d" % number for number in seen), b"%d" % self.written])
        return kv_pb2.PutResponse(context=answered, versions_held=len(self.versions))


def add(item: str) -> object:
    def change(current: Value | None) -> ValueLike:
        import json

        members = json.loads(current.data) if current else []
        return json.dumps(sorted({*members, item}), separators=(",", ":"))

    return change


def run(key: Key, change: object, **options: object) -> object:
    world = World(key.answer)
    steps = update(world.operations, "carts", "ann", change, **options)  # type: ignore[arg-type]
    return world.run(steps)


def test_an_absent_key_is_created() -> None:
    key = Key()
    run(key, add("milk"))
    assert list(key.versions.values()) == [b'["milk"]']


def test_a_value_is_changed_with_its_context() -> None:
    key = Key(b'["eggs"]')
    run(key, add("milk"))
    assert list(key.versions.values()) == [b'["eggs","milk"]']


def test_siblings_are_resolved_before_the_change() -> None:
    key = Key(b'["eggs"]', b'["tea"]', None)
    run(key, add("milk"), resolver=json_set_union)
    assert list(key.versions.values()) == [b'["eggs","milk","tea"]']


def test_siblings_without_a_resolver_are_an_error_with_all_that_resolves_them() -> None:
    key = Key(b'["eggs"]', b'["tea"]')
    with pytest.raises(ConflictError) as raised:
        run(key, add("milk"))
    assert len(raised.value.versions) == 2
    assert raised.value.context == Context(b"1,2")
    assert raised.value.outcome is Outcome.NOT_APPLIED
    assert not raised.value.applied


def test_a_write_that_raced_is_resolved_until_one_version_is_left() -> None:
    key = Key(b'["eggs"]', before_write=[b'["tea"]', b'["rice"]'])
    result = run(key, add("milk"), resolver=json_set_union)
    assert list(key.versions.values()) == [b'["eggs","milk","rice","tea"]']
    assert result.versions_held == 1  # type: ignore[attr-defined]


def test_without_a_resolver_a_race_is_reported_and_left() -> None:
    key = Key(b'["eggs"]', before_write=[b'["tea"]'])
    result = run(key, add("milk"))
    assert result.versions_held == 2  # type: ignore[attr-defined]


def test_a_race_that_never_ends_is_given_up_and_the_write_said_to_be_applied() -> None:
    key = Key(before_write=[b'["%d"]' % number for number in range(99)])
    with pytest.raises(ConflictError) as raised:
        run(key, add("milk"), resolver=json_set_union)
    assert raised.value.applied
    assert raised.value.outcome is Outcome.NONE


def test_a_resolver_that_fails_after_the_write_does_not_hide_that_it_is_applied() -> None:
    def fails(versions: object) -> ValueLike:
        raise ValueError("no set")

    key = Key(b'["eggs"]', before_write=[b'["tea"]'])
    with pytest.raises(ConflictError) as raised:
        run(key, add("milk"), resolver=fails)
    assert raised.value.applied
    assert raised.value.outcome is Outcome.NONE
    assert len(raised.value.versions) == 2
    assert isinstance(raised.value.__cause__, ValueError)


@pytest.mark.parametrize(
    "read", [ReadOptions(on_conflict=OnConflict.PICK_LATEST), ReadOptions(omit_data=True)]
)
def test_a_read_that_leaves_out_what_the_write_would_supersede_is_refused(read: ReadOptions) -> None:
    key = Key(b'["eggs"]', b'["tea"]')
    with pytest.raises(InvalidRequestError):
        run(key, add("milk"), resolver=json_set_union, read=read)
    assert len(key.versions) == 2


def test_the_expiry_is_that_of_the_first_write_and_kept_when_a_race_is_resolved() -> None:
    key = Key(b'["eggs"]', before_write=[b'["tea"]'])
    world = World(key.answer)
    steps = update(
        world.operations,
        "carts",
        "ann",
        add("milk"),  # type: ignore[arg-type]
        resolver=json_set_union,
        ttl=timedelta(seconds=60),
    )
    world.run(steps)
    first, settled = (call.request for call in world.calls if isinstance(call.request, kv_pb2.PutRequest))
    assert first.ttl.seconds == 60
    assert settled.WhichOneof("expiry") == "keep_expiry"


@pytest.mark.parametrize("bucket", ["", "default"])
def test_no_bucket_is_the_default_bucket(bucket: str) -> None:
    key = Key(b'["eggs"]', b'["tea"]')
    world = World(key.answer, resolvers={"default": json_set_union})
    world.run(update(world.operations, bucket, "ann", add("milk")))  # type: ignore[arg-type]
    assert list(key.versions.values()) == [b'["eggs","milk","tea"]']


@pytest.mark.parametrize(
    "reason",
    [Reason.TOO_MANY_SIBLINGS, Reason.CONFLICT, Reason.KEY_EXISTS, Reason.CONTEXT_NOT_REACHED],
)
def test_a_write_that_was_not_applied_begins_again(reason: Reason) -> None:
    key = Key(b'["eggs"]')
    key.refuse = [refused(reason, code=grpc.StatusCode.FAILED_PRECONDITION)]
    seen: list[bytes | None] = []

    def change(current: Value | None) -> ValueLike:
        seen.append(current.data if current else None)
        return b"[]"

    run(key, change)
    # CONTEXT_NOT_REACHED is tried again before it comes to that.
    assert len(seen) == (1 if reason is Reason.CONTEXT_NOT_REACHED else 2)


def test_lost_races_are_bounded() -> None:
    key = Key(b'["eggs"]')
    key.refuse = [refused(Reason.TOO_MANY_SIBLINGS, code=grpc.StatusCode.FAILED_PRECONDITION)] * 10
    with pytest.raises(ConflictError) as raised:
        run(key, add("milk"))
    assert not raised.value.applied
    assert isinstance(raised.value.__cause__, KindredError)
    assert key.refuse == []


def test_a_write_that_may_be_applied_is_not_changed_again() -> None:
    key = Key(b'["eggs"]')
    key.refuse = [
        broken(),
        *[refused(Reason.TOO_MANY_SIBLINGS, code=grpc.StatusCode.FAILED_PRECONDITION)] * 3,
    ]
    with pytest.raises(KindredError) as raised:
        run(key, add("milk"))
    assert raised.value.outcome is Outcome.UNKNOWN
    assert not isinstance(raised.value, ConflictError)


def test_keep_writes_nothing_and_delete_deletes() -> None:
    key = Key(b'["eggs"]')

    def verdict(which: Verdict) -> object:
        return lambda current: which

    run(key, verdict(KEEP))
    assert list(key.versions.values()) == [b'["eggs"]']
    run(key, verdict(DELETE))
    assert list(key.versions.values()) == [None]


def test_a_given_request_id_is_that_of_the_first_write_only() -> None:
    key = Key(b'["eggs"]', before_write=[b'["tea"]'])
    world = World(key.answer)
    write = WriteOptions(request_id=b"0123456789abcdef")
    change = add("milk")
    world.run(
        update(
            world.operations,
            "carts",
            "ann",
            change,  # type: ignore[arg-type]
            resolver=json_set_union,
            write=write,
        )
    )
    request_ids = [
        call.request.options.request_id for call in world.calls if isinstance(call.request, kv_pb2.PutRequest)
    ]
    assert len(request_ids) == 2
    assert request_ids[0] == b"0123456789abcdef" != request_ids[1]
