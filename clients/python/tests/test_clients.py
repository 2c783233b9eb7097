"""Both clients over real connections: the same tests for the blocking one and for asyncio."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import grpc
import pytest
from scripted_node import ScriptedNode, fail, hold

from kindred import (
    Absent,
    AsyncClient,
    Cancellation,
    Client,
    ClientClosedError,
    Context,
    InvalidRequestError,
    KindredError,
    Outcome,
    Put,
    PutResult,
    Reason,
)
from kindred.v1 import kv_pb2, types_pb2

DRAINING = fail(grpc.StatusCode.UNAVAILABLE, types_pb2.ERROR_REASON_NODE_DRAINING)

MakeClient = Callable[..., Any]


async def settled(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result


async def finished(future: Any) -> Any:
    return future.result(10) if isinstance(future, Future) else await future


async def listed(results: Any) -> list[Any]:
    if isinstance(results, AsyncIterator):
        return [result async for result in results]
    return list(results)


@pytest.fixture
def node() -> Iterator[ScriptedNode]:
    with ScriptedNode() as node:
        yield node


@pytest.fixture(params=[Client, AsyncClient])
async def make_client(request: pytest.FixtureRequest) -> AsyncIterator[MakeClient]:
    clients: list[Any] = []

    def make(*nodes: ScriptedNode | str, **options: Any) -> Any:
        addresses = [node if isinstance(node, str) else node.address for node in nodes]
        clients.append(request.param(addresses, **options))
        return clients[-1]

    yield make
    for client in clients:
        await settled(client.close())


async def test_a_read_and_a_write(node: ScriptedNode, make_client: MakeClient) -> None:
    client = make_client(node)
    match await settled(client.get("carts", "ann")):
        case Absent(context):
            assert context == Context(b"seen")
        case other:
            pytest.fail(f"{other}")
    result = await settled(client.put("carts", "ann", "milk", context=context))
    assert isinstance(result, PutResult)
    assert result.versions_held == 1
    _, request = node.received[-1]
    assert isinstance(request, kv_pb2.PutRequest)
    assert (request.value.data, request.context) == (b"milk", b"seen")


async def test_a_token_goes_with_every_call(node: ScriptedNode, make_client: MakeClient) -> None:
    client = make_client(node, token="secret")
    await settled(client.get("carts", "ann"))
    await listed(client.batch_get([("carts", "ann")]))
    pipeline = client.pipeline()
    await finished(await settled(pipeline.get("carts", "ann")))
    await settled(pipeline.close())
    assert [metadata["authorization"] for metadata in node.metadata] == ["Bearer secret"] * 3


async def test_a_failure_is_tried_again_and_its_detail_understood(
    node: ScriptedNode, make_client: MakeClient
) -> None:
    client = make_client(node, attempts=2)
    node.script = [DRAINING]
    await settled(client.put("carts", "ann", b"milk"))
    node.script = [DRAINING, DRAINING]
    with pytest.raises(KindredError) as raised:
        await settled(client.put("carts", "ann", b"milk"))
    error = raised.value
    assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, Reason.NODE_DRAINING)
    assert (error.outcome, error.attempts, error.endpoint) == (Outcome.NOT_APPLIED, 2, node.address)
    assert isinstance(error.__cause__, grpc.RpcError)


async def test_a_node_that_is_gone_is_passed_over_and_found_again(make_client: MakeClient) -> None:
    with ExitStack() as stack:
        stays = stack.enter_context(ScriptedNode())
        goes = ScriptedNode()
        client = make_client(stays, goes)
        for _ in range(4):
            await settled(client.get("carts", "ann"))
        goes.stop()
        for _ in range(6):
            await settled(client.get("carts", "ann"))
        back = stack.enter_context(ScriptedNode(goes.port))

        async def until_it_is_asked() -> None:
            while not back.received:
                await settled(client.get("carts", "ann"))
                await asyncio.sleep(0.01)

        await asyncio.wait_for(until_it_is_asked(), 20)


async def test_where_nobody_listens_a_write_is_certainly_not_applied(make_client: MakeClient) -> None:
    node = ScriptedNode()
    node.stop()
    client = make_client(node, attempts=2)
    with pytest.raises(KindredError) as raised:
        await settled(client.put("carts", "ann", b"milk"))
    assert raised.value.outcome is Outcome.NOT_APPLIED
    assert raised.value.detail is None


async def test_the_timeout_holds_and_leaves_a_write_unknown(
    node: ScriptedNode, make_client: MakeClient
) -> None:
    release = threading.Event()
    node.script = [hold(release)]
    with pytest.raises(KindredError) as raised:
        await settled(make_client(node).with_options(timeout=0.2).put("carts", "ann", b"milk"))
    release.set()
    assert raised.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert raised.value.outcome is Outcome.UNKNOWN


async def test_batches_come_as_a_stream(node: ScriptedNode, make_client: MakeClient) -> None:
    client = make_client(node)
    node.script = [DRAINING]
    items = await listed(client.batch_get([("carts", "ann"), ("carts", "ben")]))
    assert [item.index for item in items] == [0, 1]
    assert all(isinstance(item.result, Absent) for item in items)


async def test_a_pipeline_answers_each_operation(node: ScriptedNode, make_client: MakeClient) -> None:
    pipeline = make_client(node).pipeline(in_flight=8)
    futures = [await settled(pipeline.get("carts", f"key-{number}")) for number in range(50)]
    futures += [await settled(pipeline.put("carts", f"key-{number}", b"x")) for number in range(50)]
    await settled(pipeline.close())
    results = [await finished(future) for future in futures]
    assert [type(result) for result in results] == [Absent] * 50 + [PutResult] * 50
    with pytest.raises(ClientClosedError):
        await settled(pipeline.get("carts", "ann"))


async def test_a_pipeline_survives_its_stream(node: ScriptedNode, make_client: MakeClient) -> None:
    def cut(context: grpc.ServicerContext) -> None:
        context.abort(grpc.StatusCode.UNAVAILABLE, "cut")

    node.script = [cut]
    pipeline = make_client(node).pipeline()
    futures = [await settled(pipeline.put("carts", f"key-{number}", b"x")) for number in range(20)]
    for future in futures:
        assert isinstance(await finished(future), PutResult)
    await settled(pipeline.close())
    sent: dict[bytes, set[bytes]] = {}
    for _, request in node.received:
        assert isinstance(request, kv_pb2.PipelineRequest)
        for operation in request.operations:
            sent.setdefault(operation.put.key.key, set()).add(operation.put.options.request_id)
    assert len(sent) == 20
    assert all(len(request_ids) == 1 for request_ids in sent.values())


async def test_a_pipeline_gives_up_what_nobody_answers(node: ScriptedNode, make_client: MakeClient) -> None:
    release = threading.Event()
    node.script = [hold(release)]
    pipeline = make_client(node, timeout=1.5).pipeline()
    future = await settled(pipeline.put("carts", "ann", b"x"))
    with pytest.raises(KindredError) as raised:
        await finished(future)
    release.set()
    assert raised.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert raised.value.outcome is Outcome.UNKNOWN
    await settled(pipeline.close())


async def test_a_closed_client_says_so(node: ScriptedNode, make_client: MakeClient) -> None:
    client = make_client(node)
    await settled(client.get("carts", "ann"))
    await settled(client.close())
    with pytest.raises(ClientClosedError):
        await settled(client.get("carts", "ann"))


async def test_and_does_so_for_batches(node: ScriptedNode, make_client: MakeClient) -> None:
    client = make_client(node)
    await settled(client.close())
    with pytest.raises(ClientClosedError):
        await listed(client.batch_get([("carts", "ann")]))


async def test_closing_cancels_what_is_under_way_and_leaves_a_write_unknown(
    node: ScriptedNode, make_client: MakeClient
) -> None:
    release = threading.Event()
    node.script = [hold(release)]
    client = make_client(node)
    if isinstance(client, AsyncClient):
        waiting = asyncio.ensure_future(client.put("carts", "ann", b"milk"))
    else:
        waiting = asyncio.ensure_future(asyncio.to_thread(client.put, "carts", "ann", b"milk"))
    await asyncio.to_thread(node.arrived.wait, 10)
    await settled(client.close())
    with pytest.raises(KindredError) as raised:
        await waiting
    release.set()
    assert raised.value.code is grpc.StatusCode.CANCELLED
    assert raised.value.outcome is Outcome.UNKNOWN


async def test_closing_cancels_batches_too(node: ScriptedNode, make_client: MakeClient) -> None:
    release = threading.Event()
    node.script = [hold(release)]
    client = make_client(node)
    batch = client.batch_write([Put("carts", "ann", b"milk")])
    if isinstance(client, AsyncClient):
        waiting = asyncio.ensure_future(listed(batch))
    else:
        waiting = asyncio.ensure_future(asyncio.to_thread(list, batch))
    await asyncio.to_thread(node.arrived.wait, 10)
    await settled(client.close())
    with pytest.raises(KindredError) as raised:
        await waiting
    release.set()
    assert raised.value.code is grpc.StatusCode.CANCELLED
    assert raised.value.outcome is Outcome.UNKNOWN


async def test_whoever_uses_results_of_a_batch_may_take_longer_than_its_timeout(
    node: ScriptedNode, make_client: MakeClient
) -> None:
    batch = make_client(node, timeout=1.0).batch_get([("carts", f"key-{number}") for number in range(1_000)])
    if isinstance(batch, AsyncIterator):
        first = await batch.__anext__()
    else:
        first = next(batch)
    assert isinstance(first.result, Absent)
    # What was read before the deadline is there after it, though nobody has asked for it.
    node.stop()
    rest = await listed(batch)
    assert len(rest) == 999
    assert all(isinstance(item.result, Absent) for item in rest)


async def test_an_endpoint_that_breaks_just_as_it_is_found_is_watched_again(node: ScriptedNode) -> None:
    async with AsyncClient(node.address) as client:
        endpoints = client._operations.endpoints
        found_twice = asyncio.Event()
        found = endpoints.ready
        times = 0

        def found_and_broken(index: int) -> None:
            nonlocal times
            times += 1
            found(index)
            if times == 1:
                endpoints.broke(index)
            else:
                found_twice.set()

        endpoints.ready = found_and_broken  # type: ignore[method-assign]
        await client.get("carts", "ann")
        await asyncio.wait_for(found_twice.wait(), 10)
        assert endpoints.is_ready(0)


async def test_options_that_make_no_sense_are_refused(make_client: MakeClient) -> None:
    for options in ({"timeout": 0}, {"attempts": 0}, {"update_attempts": 0}):
        with pytest.raises(InvalidRequestError):
            make_client("127.0.0.1:1", **options)
    with pytest.raises(InvalidRequestError):
        make_client()
    with pytest.raises(InvalidRequestError):
        make_client("127.0.0.1:1").session(keys_max=0)
    with pytest.raises(InvalidRequestError):
        make_client("127.0.0.1:1").pipeline(in_flight=0)


def test_one_thread_cancels_what_another_waits_for(node: ScriptedNode) -> None:
    release = threading.Event()
    node.script = [hold(release)]
    cancellation = Cancellation()
    with Client(node.address) as client, ThreadPoolExecutor() as threads:
        waiting = threads.submit(client.with_cancellation(cancellation).put, "carts", "ann", b"milk")
        node.arrived.wait(10)
        cancellation.cancel()
        error = waiting.exception(10)
        release.set()
        assert isinstance(error, KindredError)
        assert error.code is grpc.StatusCode.CANCELLED
        assert error.outcome is Outcome.UNKNOWN
        with pytest.raises(KindredError) as raised:
            client.with_cancellation(cancellation).put("carts", "ann", b"milk")
        assert raised.value.outcome is Outcome.NOT_APPLIED
        client.put("carts", "ann", b"milk")


async def test_a_cancelled_task_cancels_its_call(node: ScriptedNode) -> None:
    release = threading.Event()
    node.script = [hold(release)]
    async with AsyncClient(node.address) as client:
        waiting = asyncio.create_task(client.put("carts", "ann", b"milk"))
        await asyncio.to_thread(node.arrived.wait, 10)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        release.set()
        await client.put("carts", "ann", b"milk")


def test_operations_of_a_session_on_one_key_take_turns(node: ScriptedNode) -> None:
    release = threading.Event()
    node.script = [hold(release)]
    with Client(node.address) as client, ThreadPoolExecutor() as threads:
        session = client.session()
        first = threads.submit(session.put, "carts", "ann", b"milk")
        node.arrived.wait(10)
        second = threads.submit(session.get, "carts", "ann")
        session.get("carts", "ben")
        assert not second.done()
        release.set()
        first.result(10)
        second.result(10)
    _, read = node.received[-1]
    assert isinstance(read, kv_pb2.GetRequest)
    assert read.options.min_context == b"written"


async def test_and_so_do_those_of_a_session_of_asyncio(node: ScriptedNode) -> None:
    release = threading.Event()
    node.script = [hold(release)]
    async with AsyncClient(node.address) as client:
        session = client.session()
        first = asyncio.create_task(session.put("carts", "ann", b"milk"))
        await asyncio.to_thread(node.arrived.wait, 10)
        second = asyncio.create_task(session.get("carts", "ann"))
        await session.get("carts", "ben")
        assert not second.done()
        release.set()
        await asyncio.gather(first, second)
    _, read = node.received[-1]
    assert isinstance(read, kv_pb2.GetRequest)
    assert read.options.min_context == b"written"


def test_threads_may_share_a_client(node: ScriptedNode) -> None:
    with Client(node.address) as client, ThreadPoolExecutor(16) as threads, client.pipeline() as pipeline:
        unary = [threads.submit(client.get, "carts", f"key-{number}") for number in range(64)]
        piped = [threads.submit(pipeline.get, "carts", f"key-{number}") for number in range(64)]
        assert all(isinstance(future.result(10), Absent) for future in unary)
        assert all(isinstance(future.result(10).result(10), Absent) for future in piped)


async def test_update_takes_a_coroutine_function(node: ScriptedNode) -> None:
    async def change(current: object) -> bytes:
        await asyncio.sleep(0)
        return b"milk"

    async with AsyncClient(node.address) as client:
        result = await client.update("carts", "ann", change)
    assert result.value is not None
    assert result.value.data == b"milk"
