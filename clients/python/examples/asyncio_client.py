"""The same operations on an event loop: reads side by side, a deadline, a batch, a pipeline.

python examples/asyncio_client.py [HOST:PORT ...]
"""

import asyncio
import sys
from collections.abc import Iterable

from kindred import AsyncClient, Found, GetResult, KindredError, Put

BUCKET = "default"


async def main(endpoints: list[str]) -> None:
    async with AsyncClient(endpoints) as client:
        letters = {f"letter/{letter}": letter for letter in "abcde"}
        mutations = [Put(BUCKET, key, letter) for key, letter in letters.items()]
        async for item in client.batch_write(mutations):
            if isinstance(item.result, KindredError):
                print(mutations[item.index].key, "was not written:", item.result)

        reads = asyncio.gather(*(client.get(BUCKET, key) for key in letters))
        results = await asyncio.wait_for(reads, timeout=5)
        print(
            "read:", " ".join(result.value.data.decode() for result in results if isinstance(result, Found))
        )

        async with client.pipeline() as pipeline:
            futures = [await pipeline.get(BUCKET, key) for key in letters]
            piped = [await future for future in futures]
        print("piped:", *letters_in(piped))


def letters_in(results: Iterable[GetResult]) -> list[str]:
    return [result.value.data.decode() for result in results if isinstance(result, Found)]


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:] or ["127.0.0.1:7400"]))
