"""Runs the testee: ``python -m testee`` for the blocking client, with ``--async`` for the asyncio one."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import traceback
from collections.abc import Coroutine
from typing import Any

import grpc

import kindred
from testee import codec
from testee.codec import Json
from testee.operations import WRITES, Testee, UnknownOperationError

_output = threading.Lock()


def write_answer(request: Json, answer: Json) -> None:
    line = json.dumps({"id": request.get("id"), **answer}, separators=(",", ":"))
    with _output:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def refusal(code: str, message: str) -> Json:
    return {"error": {"code": code, "message": message}}


def cancelled(request: Json) -> Json:
    """What asyncio says of a cancelled operation is CancelledError, and no more. This is what that means."""
    outcome = kindred.Outcome.UNKNOWN if request["op"] in WRITES else kindred.Outcome.NONE
    error = kindred.KindredError("cancelled", code=grpc.StatusCode.CANCELLED, outcome=outcome, attempts=1)
    return {"error": codec.error(error)}


async def answer_to(testee: Testee, request: Json, cancellable: Any) -> Json:
    try:
        return {"ok": await testee.carry_out(request, cancellable)}
    except kindred.KindredError as error:
        return {"error": codec.error(error)}
    except UnknownOperationError as error:
        return refusal("UNIMPLEMENTED", f"no such operation: {error}")
    except Exception as error:
        traceback.print_exc()
        return refusal("UNIMPLEMENTED", f"malformed request, or a defect of the testee: {error!r}")


# ---- Blocking: a thread for each request --------------------------------------------------


def without_loop(coroutine: Coroutine[Any, Any, Json]) -> Json:
    """Runs a coroutine that never waits for anything but the blocking client."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        answer: Json = done.value
        return answer
    raise AssertionError("the blocking client has nothing to await")


def serve_blocking() -> None:
    testee = Testee("python", kindred.Client)
    cancellations: dict[Any, kindred.Cancellation] = {}

    def serve(request: Json, cancellation: kindred.Cancellation) -> None:
        answer = without_loop(answer_to(testee, request, lambda keyed: keyed.with_cancellation(cancellation)))
        cancellations.pop(request["id"], None)
        write_answer(request, answer)

    threads: list[threading.Thread] = []
    for line in sys.stdin:
        request: Json = json.loads(line)
        if request.get("op") == "cancel":
            if found := cancellations.get(request["of"]):
                found.cancel()
            write_answer(request, {"ok": {}})
            continue
        cancellation = kindred.Cancellation()
        cancellations[request["id"]] = cancellation
        thread = threading.Thread(target=serve, args=(request, cancellation), daemon=True)
        thread.start()
        threads = [*(each for each in threads if each.is_alive()), thread]
        if "cancelAfterMs" in request:
            timer = threading.Timer(int(request["cancelAfterMs"]) / 1_000, cancellation.cancel)
            timer.daemon = True
            timer.start()
    for thread in threads:
        thread.join()
    without_loop(ended(testee))


# ---- asyncio: a task for each request -----------------------------------------------------


async def serve_async() -> None:
    testee = Testee("python-asyncio", kindred.AsyncClient)
    loop = asyncio.get_running_loop()
    tasks: dict[Any, asyncio.Task[None]] = {}

    async def serve(request: Json) -> None:
        try:
            write_answer(request, await answer_to(testee, request, lambda keyed: keyed))
        except asyncio.CancelledError:
            write_answer(request, cancelled(request))

    while line := await loop.run_in_executor(None, sys.stdin.readline):
        request: Json = json.loads(line)
        if request.get("op") == "cancel":
            if found := tasks.get(request["of"]):
                found.cancel()
            write_answer(request, {"ok": {}})
            continue
        task = loop.create_task(serve(request))
        tasks[request["id"]] = task
        task.add_done_callback(lambda _, name=request["id"]: tasks.pop(name, None))  # type: ignore[misc]
        if "cancelAfterMs" in request:
            loop.call_later(int(request["cancelAfterMs"]) / 1_000, task.cancel)
    await asyncio.gather(*tasks.values(), return_exceptions=True)
    await testee.end()


async def ended(testee: Testee) -> Json:
    await testee.end()
    return {}


if __name__ == "__main__":
    if "--async" in sys.argv[1:]:
        asyncio.run(serve_async())
    else:
        serve_blocking()
