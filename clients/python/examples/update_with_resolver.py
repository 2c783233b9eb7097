"""Many threads add to one set at once. A resolver unites what raced, so each addition survives.

python examples/update_with_resolver.py [HOST:PORT ...]
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

from kindred import KEEP, Client, Value
from kindred.resolvers import json_set_union

BUCKET, KEY = "default", "guests"


def main(endpoints: list[str]) -> None:
    with Client(endpoints, resolvers={BUCKET: json_set_union}, update_attempts=50) as client:
        client.delete(BUCKET, KEY)

        def invite(guest: str) -> None:
            def add(current: Value | None) -> str:
                guests = json.loads(current.data) if current else []
                return json.dumps(sorted({*guests, guest}))

            client.update(BUCKET, KEY, add)

        with ThreadPoolExecutor() as threads:
            list(threads.map(invite, ["Ann", "Ben", "Cat", "Dan", "Eve"]))

        # Two that resolved at the same moment may have left siblings, each with all the guests. KEEP reads
        # the key as an update sees it, resolved, and writes nothing.
        guests = client.update(BUCKET, KEY, lambda _: KEEP).value
        print(", ".join(json.loads(guests.data)) if guests else "nobody")


if __name__ == "__main__":
    main(sys.argv[1:] or ["127.0.0.1:7400"])
