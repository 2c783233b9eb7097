"""A session reads its own writes at ONE, the fastest level, through whatever node.

python examples/read_your_writes.py [HOST:PORT ...]
"""

import sys

from kindred import Client, Consistency, Found, ReadOptions, WriteOptions

BUCKET, KEY = "default", "profile/ann"
ONE = Consistency.ONE


def main(endpoints: list[str]) -> None:
    reads, writes = ReadOptions(consistency=ONE), WriteOptions(consistency=ONE)
    with Client(endpoints, read=reads, write=writes) as client:
        session = client.session()
        seen = 0
        for number in range(100):
            session.put(BUCKET, KEY, str(number))
            match session.get(BUCKET, KEY):
                case Found(value) if value.data == str(number).encode():
                    seen += 1
                case other:
                    print("not what was written:", other)
        print(f"{seen} of 100 writes were read back at {ONE.name}")


if __name__ == "__main__":
    main(sys.argv[1:] or ["127.0.0.1:7400"])
