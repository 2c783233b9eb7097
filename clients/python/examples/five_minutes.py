"""Two people change one cart at the same time; nothing that either of them added is lost.

python examples/five_minutes.py [HOST:PORT ...]
"""

import sys

from kindred import Absent, Client, Conflict, Context, Found

CART, KEY = "default", "cart/42"


def main(endpoints: list[str]) -> None:
    with Client(endpoints) as client:
        client.delete(CART, KEY)
        seen = client.put(CART, KEY, "milk").context

        # Ann and Ben have both seen the milk, and neither has seen what the other writes.
        client.put(CART, KEY, "milk, eggs", context=seen)
        client.put(CART, KEY, "milk, bread", context=seen)

        show(client)
        match client.get(CART, KEY):
            case Conflict(versions, context):
                items = {
                    item
                    for version in versions
                    if version.value is not None
                    for item in version.value.data.decode().split(", ")
                }
                client.put(CART, KEY, ", ".join(sorted(items)), context=context)
        show(client)


def show(client: Client) -> Context:
    result = client.get(CART, KEY)
    match result:
        case Found(value):
            print("one value:", value.data.decode())
        case Conflict(versions):
            texts = sorted(version.value.data.decode() for version in versions if version.value)
            print(f"{len(versions)} siblings:", " | ".join(texts))
        case Absent():
            print("nothing there")
    return result.context


if __name__ == "__main__":
    main(sys.argv[1:] or ["127.0.0.1:7400"])
