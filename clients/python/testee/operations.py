"""What each request of the conformance suite asks of the client.

Written once for the blocking and the asyncio client: whatever may be awaitable goes through `settled`. With
the blocking client nothing ever is, so that these coroutines run through without an event loop.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

import kindred
from kindred import resolvers
from kindred._placement import token_of
from testee import codec
from testee.codec import Json

T = TypeVar("T")

WRITES = frozenset({"put", "delete", "touch", "update", "batchWrite", "pipelined"})


class UnknownOperationError(Exception):
    """The suite asked for something that this testee does not know."""


async def settled(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result


async def finished(future: Future[T] | Awaitable[T]) -> T:
    return future.result() if isinstance(future, Future) else await future


async def listed(results: Iterator[T] | AsyncIterator[T]) -> list[T]:
    if isinstance(results, AsyncIterator):
        return [result async for result in results]
    return list(results)


class Testee:
    """The clients, sessions and pipelines that the suite has opened, by name."""

    def __init__(self, language: str, client_class: type[kindred.Client | kindred.AsyncClient]) -> None:
        self._language = language
        self._client_class = client_class
        self._clients: dict[str, Any] = {}
        self._sessions: dict[str, Any] = {}
        self._pipelines: dict[str, Any] = {}
        self._operations: dict[str, Callable[[Json, Callable[[Any], Any]], Awaitable[Json]]] = {
            "hello": self._hello,
            "connect": self._connect,
            "close": self._close,
            "get": self._get,
            "put": self._put,
            "delete": self._delete,
            "touch": self._touch,
            "batchGet": self._batch_get,
            "batchWrite": self._batch_write,
            "writeOutcome": self._write_outcome,
            "update": self._update,
            "session": self._session,
            "pipeline": self._pipeline,
            "pipelined": self._pipelined,
            "closePipeline": self._close_pipeline,
            "placement": self._placement,
        }

    async def carry_out(self, request: Json, cancellable: Callable[[Any], Any]) -> Json:
        """The `ok` of the answer. `cancellable` makes of a client or session one that can be cancelled."""
        operation = self._operations.get(request["op"])
        if operation is None:
            raise UnknownOperationError(request["op"])
        return await operation(request, cancellable)

    async def end(self) -> None:
        for client in self._clients.values():
            await settled(client.close())

    async def _hello(self, request: Json, _: object) -> Json:
        return {"language": self._language, "version": kindred.__version__, "features": []}

    async def _connect(self, request: Json, _: object) -> Json:
        options: Json = {"resolvers": {}, "direct_routing": request.get("directRouting", False)}
        if "timeoutMs" in request:
            options["timeout"] = int(request["timeoutMs"]) / 1_000
        if "attempts" in request:
            options["attempts"] = request["attempts"]
        self._clients[request["client"]] = self._client_class(request["endpoints"], **options)
        return {}

    async def _close(self, request: Json, _: object) -> Json:
        await settled(self._clients.pop(request["client"]).close())
        return {}

    async def _get(self, request: Json, cancellable: Callable[[Any], Any]) -> Json:
        keyed = cancellable(self._keyed(request))
        return codec.answer(await settled(keyed.get(*codec.key(request), read=codec.read(request))))

    async def _put(self, request: Json, cancellable: Callable[[Any], Any]) -> Json:
        keyed = cancellable(self._keyed(request))
        options = codec.expiry(request) | {"write": codec.write(request)}
        if "session" not in request:
            options |= codec.causality(request)
        stored = codec.value(request.get("value", {}))
        return codec.answer(await settled(keyed.put(*codec.key(request), stored, **options)))

    async def _delete(self, request: Json, cancellable: Callable[[Any], Any]) -> Json:
        keyed = cancellable(self._keyed(request))
        options: Json = {"write": codec.write(request)}
        if "session" not in request:
            options |= codec.causality(request)
        return codec.answer(await settled(keyed.delete(*codec.key(request), **options)))

    async def _touch(self, request: Json, cancellable: Callable[[Any], Any]) -> Json:
        client = cancellable(self._clients[request["client"]])
        options = codec.expiry(request)
        result = await settled(
            client.touch(
                *codec.key(request), **options, context=codec.context(request), write=codec.write(request)
            )
        )
        return codec.answer(result)

    async def _batch_get(self, request: Json, cancellable: Callable[[Any], Any]) -> Json:
        client = cancellable(self._clients[request["client"]])
        keys = [codec.key(key) for key in request["keys"]]
        return _by_index(await listed(client.batch_get(keys, read=codec.read(request))))

    async def _batch_write(self, request: Json, cancellable: Callable[[Any], Any]) -> Json:
        client = cancellable(self._clients[request["client"]])
        mutations = [codec.mutation(mutation) for mutation in request["mutations"]]
        return _by_index(await listed(client.batch_write(mutations, write=codec.write(request))))

    async def _write_outcome(self, request: Json, cancellable: Callable[[Any], Any]) -> Json:
        client = cancellable(self._clients[request["client"]])
        request_id = codec.to_bytes(request["requestId"])
        result = await settled(
            client.write_outcome(*codec.key(request), request_id, read=codec.read(request))
        )
        return codec.answer(result)

    async def _update(self, request: Json, cancellable: Callable[[Any], Any]) -> Json:
        keyed = cancellable(self._keyed(request))
        result = await settled(
            keyed.update(
                *codec.key(request),
                _change(request["fn"]),
                resolver=_RESOLVERS[request.get("resolver")],
                read=codec.read(request),
                write=codec.write(request),
            )
        )
        return codec.answer(result)

    async def _session(self, request: Json, _: object) -> Json:
        self._sessions[request["session"]] = self._clients[request["client"]].session()
        return {}

    async def _pipeline(self, request: Json, _: object) -> Json:
        in_flight = {"in_flight": request["inFlight"]} if "inFlight" in request else {}
        self._pipelines[request["pipeline"]] = self._clients[request["client"]].pipeline(**in_flight)
        return {}

    async def _pipelined(self, request: Json, _: object) -> Json:
        pipeline = self._pipelines[request["pipeline"]]
        futures = [await _submitted(pipeline, operation) for operation in request["operations"]]
        return {"results": [await _result_of(future) for future in futures]}

    async def _close_pipeline(self, request: Json, _: object) -> Json:
        await settled(self._pipelines.pop(request["pipeline"]).close())
        return {}

    async def _placement(self, request: Json, _: object) -> Json:
        client = self._clients[request["client"]]
        keys = [codec.key(key) for key in request["keys"]]
        return {
            "homes": [await settled(client.homes(bucket, key)) for bucket, key in keys],
            "tokens": [f"{token_of(bucket, key):016x}" for bucket, key in keys],
        }

    def _keyed(self, request: Json) -> Any:
        """What get, put, delete and update are asked of: a session or a client."""
        return (
            self._sessions[request["session"]] if "session" in request else self._clients[request["client"]]
        )


async def _submitted(pipeline: Any, operation: Json) -> Any:
    try:
        return await settled(_submit(pipeline, operation))
    except kindred.KindredError as error:
        return error


async def _result_of(future: Future[Any] | Awaitable[Any] | kindred.KindredError) -> Json:
    if isinstance(future, kindred.KindredError):
        return codec.item(future)
    try:
        return codec.item(await finished(future))
    except kindred.KindredError as error:
        return codec.item(error)


def _by_index(items: list[kindred.BatchItem[Any]]) -> Json:
    in_order = sorted(items, key=lambda item: item.index)
    return {"results": [{"index": item.index, **codec.item(item.result)} for item in in_order]}


def _submit(pipeline: Any, operation: Json) -> Any:
    (kind, arguments), *_ = operation.items()
    bucket, key = codec.key(arguments)
    match kind:
        case "get":
            return pipeline.get(bucket, key, read=codec.read(arguments))
        case "put":
            return pipeline.put(
                bucket,
                key,
                codec.value(arguments.get("value", {})),
                **codec.causality(arguments),
                **codec.expiry(arguments),
                write=codec.write(arguments),
            )
        case "delete":
            return pipeline.delete(bucket, key, **codec.causality(arguments), write=codec.write(arguments))
        case "touch":
            return pipeline.touch(
                bucket,
                key,
                **codec.expiry(arguments),
                context=codec.context(arguments),
                write=codec.write(arguments),
            )
    raise UnknownOperationError(kind)


def _change(fn: Json) -> kindred.Change:
    def append(current: kindred.Value | None) -> kindred.ValueLike:
        text: str = fn["append"]
        return (current.data if current else b"") + text.encode()

    def add(current: kindred.Value | None) -> kindred.ValueLike:
        members = set(json.loads(current.data)) if current else set()
        return json.dumps(sorted(members | {fn["add"]}), separators=(",", ":"), ensure_ascii=False)

    def keep(current: kindred.Value | None) -> kindred.Verdict:
        return kindred.KEEP

    return append if "append" in fn else add if "add" in fn else keep


_RESOLVERS: dict[str | None, kindred.Resolver | None] = {
    "union": resolvers.json_set_union,
    "lastWriter": resolvers.last_writer,
    None: None,
}
