"""Writes a thousand keys over streams, and looks at each result; then reads them back.

python examples/pipeline.py [HOST:PORT ...]
"""

import sys

from kindred import Client, Found, KindredError, Outcome

BUCKET = "default"


def main(endpoints: list[str]) -> None:
    with Client(endpoints) as client:
        with client.pipeline() as pipeline:
            writes = [pipeline.put(BUCKET, f"sensor/{number}", str(number)) for number in range(1_000)]
        stored = 0
        for number, write in enumerate(writes):
            try:
                write.result()
                stored += 1
            except KindredError as error:
                advice = "ask write_outcome" if error.outcome is Outcome.UNKNOWN else "write it again"
                print(f"sensor/{number}: {error}: {advice}")

        with client.pipeline() as pipeline:
            reads = [pipeline.get(BUCKET, f"sensor/{number}") for number in range(1_000)]
        found = sum(isinstance(read.result(), Found) for read in reads)
        print(f"{stored} stored, {found} found")


if __name__ == "__main__":
    main(sys.argv[1:] or ["127.0.0.1:7400"])
