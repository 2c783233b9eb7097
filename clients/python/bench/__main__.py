"""Measures operations a second: bare stub, client, pipeline; prints one JSON line.

``python -m bench HOST:PORT[,HOST:PORT...] SECONDS [--async]``

Values have 100 bytes; 64 operations are in flight, except in pipelines, which decide for themselves. The
SECONDS of each measurement are cut into slices that take turns with those of the others, so that whatever
else the machine does falls on all of them alike.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any

import grpc
from grpc import aio

import kindred
from kindred._settings import CHANNEL_OPTIONS
from kindred.v1 import kv_pb2, types_pb2
from kindred.v1.kv_pb2_grpc import KeyValueServiceStub

IN_FLIGHT = 64
KEYS = 10_000
"""Many more than are in flight: concurrent writes of one key wait for each other."""
SLICES = 4
BUCKET = "default"
VALUE = os.urandom(100)
TIMEOUT_S = 5.0
REFUSED = (grpc.RpcError, kindred.KindredError)
"""What a node that has more work than it takes answers. It counts as nothing done."""

Slice = Callable[[float], float]
"""Works for so many seconds; answers operations a second."""
AsyncSlice = Callable[[float], Awaitable[float]]


def keys() -> Callable[[], bytes]:
    numbers = itertools.count()
    return lambda: b"bench-%d" % (next(numbers) % KEYS)


def stub_get(key: bytes) -> kv_pb2.GetRequest:
    return kv_pb2.GetRequest(key=types_pb2.Key(bucket=BUCKET, key=key))


def stub_put(key: bytes) -> kv_pb2.PutRequest:
    return kv_pb2.PutRequest(
        key=types_pb2.Key(bucket=BUCKET, key=key),
        value=types_pb2.Value(data=VALUE),
        options=types_pb2.WriteOptions(request_id=os.urandom(16)),
    )


# ---- Blocking -----------------------------------------------------------------------------


def by_threads(operation: Callable[[bytes], Any], callers: int = IN_FLIGHT) -> Slice:
    next_key = keys()

    def measure(seconds: float) -> float:
        counts = [0] * callers
        begin = time.monotonic()
        end = begin + seconds

        def work(number: int) -> None:
            while time.monotonic() < end:
                try:
                    operation(next_key())
                    counts[number] += 1
                except REFUSED:
                    continue

        threads = [threading.Thread(target=work, args=(number,)) for number in range(callers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(counts) / (time.monotonic() - begin)

    return measure


def by_pipeline(client: kindred.Client, submit: Callable[[kindred.Pipeline, bytes], Future[Any]]) -> Slice:
    next_key = keys()

    def measure(seconds: float) -> float:
        futures: list[Future[Any]] = []
        begin = time.monotonic()
        with client.pipeline() as pipeline:
            while time.monotonic() < begin + seconds:
                futures.extend(submit(pipeline, next_key()) for _ in range(100))
        elapsed = time.monotonic() - begin
        return sum(future.exception() is None for future in futures) / elapsed

    return measure


def blocking(endpoints: list[str], seconds: float) -> dict[str, float]:
    channels = [grpc.insecure_channel(endpoint, CHANNEL_OPTIONS) for endpoint in endpoints]
    stubs = itertools.cycle([KeyValueServiceStub(channel) for channel in channels])
    with kindred.Client(endpoints) as client:
        # So that every read finds something.
        with client.pipeline() as pipeline:
            filled = [pipeline.put(BUCKET, b"bench-%d" % number, VALUE) for number in range(KEYS)]
        for future in filled:
            future.result()
        measurements: dict[str, Slice] = {
            "stubPut": by_threads(lambda key: next(stubs).Put(stub_put(key), timeout=TIMEOUT_S)),
            "clientPut": by_threads(lambda key: client.put(BUCKET, key, VALUE)),
            "stubGet": by_threads(lambda key: next(stubs).Get(stub_get(key), timeout=TIMEOUT_S)),
            "clientGet": by_threads(lambda key: client.get(BUCKET, key)),
            "onePut": by_threads(lambda key: client.put(BUCKET, key, VALUE), 1),
            "oneGet": by_threads(lambda key: client.get(BUCKET, key), 1),
            "pipelinePut": by_pipeline(client, lambda pipeline, key: pipeline.put(BUCKET, key, VALUE)),
            "pipelineGet": by_pipeline(client, lambda pipeline, key: pipeline.get(BUCKET, key)),
        }
        rates = dict.fromkeys(measurements, 0.0)
        for _ in range(SLICES):
            for name, measure in measurements.items():
                rates[name] += measure(seconds / SLICES) / SLICES
    for channel in channels:
        channel.close()
    return rates


# ---- asyncio ------------------------------------------------------------------------------


def by_tasks(operation: Callable[[bytes], Awaitable[Any]], callers: int = IN_FLIGHT) -> AsyncSlice:
    next_key = keys()

    async def measure(seconds: float) -> float:
        begin = time.monotonic()
        end = begin + seconds

        async def work() -> int:
            count = 0
            while time.monotonic() < end:
                try:
                    await operation(next_key())
                    count += 1
                except REFUSED:
                    continue
            return count

        counts = await asyncio.gather(*(work() for _ in range(callers)))
        return sum(counts) / (time.monotonic() - begin)

    return measure


def by_async_pipeline(
    client: kindred.AsyncClient,
    submit: Callable[[kindred.AsyncPipeline, bytes], Awaitable[asyncio.Future[Any]]],
) -> AsyncSlice:
    next_key = keys()

    async def measure(seconds: float) -> float:
        futures: list[asyncio.Future[Any]] = []
        begin = time.monotonic()
        async with client.pipeline() as pipeline:
            while time.monotonic() < begin + seconds:
                for _ in range(100):
                    futures.append(await submit(pipeline, next_key()))
        elapsed = time.monotonic() - begin
        return sum(future.exception() is None for future in futures) / elapsed

    return measure


async def on_the_loop(endpoints: list[str], seconds: float) -> dict[str, float]:
    channels = [aio.insecure_channel(endpoint, CHANNEL_OPTIONS) for endpoint in endpoints]
    stubs = itertools.cycle([KeyValueServiceStub(channel) for channel in channels])
    async with kindred.AsyncClient(endpoints) as client:
        async with client.pipeline() as pipeline:
            filled = [await pipeline.put(BUCKET, b"bench-%d" % number, VALUE) for number in range(KEYS)]
        await asyncio.gather(*filled)
        measurements: dict[str, AsyncSlice] = {
            "stubPut": by_tasks(lambda key: next(stubs).Put(stub_put(key), timeout=TIMEOUT_S)),
            "clientPut": by_tasks(lambda key: client.put(BUCKET, key, VALUE)),
            "stubGet": by_tasks(lambda key: next(stubs).Get(stub_get(key), timeout=TIMEOUT_S)),
            "clientGet": by_tasks(lambda key: client.get(BUCKET, key)),
            "onePut": by_tasks(lambda key: client.put(BUCKET, key, VALUE), 1),
            "oneGet": by_tasks(lambda key: client.get(BUCKET, key), 1),
            "pipelinePut": by_async_pipeline(client, lambda pipeline, key: pipeline.put(BUCKET, key, VALUE)),
            "pipelineGet": by_async_pipeline(client, lambda pipeline, key: pipeline.get(BUCKET, key)),
        }
        rates = dict.fromkeys(measurements, 0.0)
        for _ in range(SLICES):
            for name, measure in measurements.items():
                rates[name] += await measure(seconds / SLICES) / SLICES
    for channel in channels:
        await channel.close()
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("endpoints")
    parser.add_argument("seconds", type=float)
    parser.add_argument("--async", dest="asynchronous", action="store_true")
    arguments = parser.parse_args()
    endpoints = arguments.endpoints.split(",")
    if arguments.asynchronous:
        client, rates = "python-asyncio", asyncio.run(on_the_loop(endpoints, arguments.seconds))
    else:
        client, rates = "python", blocking(endpoints, arguments.seconds)
    rounded = {name: round(rate) for name, rate in rates.items()}
    print(json.dumps({"client": client, **rounded, "inFlight": IN_FLIGHT}))


if __name__ == "__main__":
    main()
