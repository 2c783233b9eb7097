"""The examples and the Python of the README, as they stand, against a real cluster."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kindred import Client, Consistency, Found, ReadOptions

HERE = Path(__file__).parents[1]
README = (HERE / "README.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
PRINTED = {
    "five_minutes": ["2 siblings: milk, bread | milk, eggs", "one value: bread, eggs, milk"],
    "update_with_resolver": ["Ann, Ben, Cat, Dan, Eve"],
    "read_your_writes": ["100 of 100 writes were read back at ONE"],
    "pipeline": ["1000 stored, 1000 found"],
    "asyncio_client": ["read: a b c d e", "piped: a b c d e"],
}


def run(code: str | Path, *arguments: str) -> list[str]:
    script = ["-c", code] if isinstance(code, str) else [str(code)]
    done = subprocess.run([sys.executable, *script, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_every_example_has_its_test() -> None:
    assert {path.stem for path in (HERE / "examples").glob("*.py")} == set(PRINTED)


@pytest.mark.parametrize("name", PRINTED)
def test_an_example_prints_what_it_should(name: str, cluster: list[str]) -> None:
    assert run(HERE / "examples" / f"{name}.py", *cluster) == PRINTED[name]


def on(cluster: list[str], code: str) -> str:
    for number, endpoint in enumerate(cluster):
        code = code.replace(f"127.0.0.1:{7400 + number}", endpoint)
    return code


def test_the_five_minutes_of_the_readme(cluster: list[str]) -> None:
    (printed,) = re.findall(r"^```text\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    with Client(cluster) as client:
        client.delete("default", "cart/42")
    first, second, resolved = run(on(cluster, BLOCKS[0]))
    assert sorted([first, second]) == sorted(printed.splitlines()[:2])
    assert resolved == printed.splitlines()[2]


def test_the_rest_of_the_readme(cluster: list[str]) -> None:
    """One page, read from top to bottom: what comes later uses what came before."""
    printed = run(on(cluster, "\n".join(BLOCKS[1:])))
    assert printed[0].startswith("text/html ")
    assert "1000" in printed


@pytest.fixture
def client(cluster: list[str]) -> Iterator[Client]:
    with Client(cluster, direct_routing=True) as client:
        yield client


def test_direct_routing_asks_a_replica(client: Client) -> None:
    """At N = 3 of three nodes each is one; what counts is that it is the first that coordinates."""
    one = ReadOptions(consistency=Consistency.ONE)
    client.put("default", "routed", b"x")
    homes = client.homes("default", "routed")
    assert sorted(homes) == ["n1", "n2", "n3"]

    def coordinator() -> str:
        result = client.get("default", "routed", read=one)
        assert isinstance(result, Found)
        return result.report.coordinator

    assert {coordinator() for _ in range(20)} == {homes[0]}
