"""A real cluster of three nodes for the tests that want one."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
READY_WITHIN_S = 120.0
ENDS_WITHIN_S = 30.0


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The endpoints of a cluster: those of KINDRED_ENDPOINTS, or of one that is started for these tests."""
    given = os.environ.get("KINDRED_ENDPOINTS")
    if given:
        yield given.split(",")
        return
    node = ROOT / "node_modules" / ".bin" / "node"
    if not node.exists():
        pytest.fail(f"{node} is not there: run npm ci in {ROOT}, or set KINDRED_ENDPOINTS")
    port = _free_ports()
    log = tmp_path_factory.mktemp("cluster") / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [node, "src/main.ts", "dev", "--ephemeral", "--engine", "memory", "--port-base", str(port)],
            cwd=ROOT,
            env=os.environ | {"PATH": f"{node.parent}{os.pathsep}{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_ready(process, port, log)
        yield [f"127.0.0.1:{port + number}" for number in range(3)]
    finally:
        process.terminate()
        process.wait(ENDS_WITHIN_S)


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while not all(_answers(port + number) for number in range(3)):
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"the cluster does not start:\n{log.read_text()[-5_000:]}")
        time.sleep(0.1)


def _answers(port: int) -> bool:
    """Whether the node that serves clients at this port says that it is ready."""
    try:
        with socket.create_connection(("127.0.0.1", port + 200), timeout=1) as connection:
            connection.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
            return b" 200 " in connection.recv(100)
    except OSError:
        return False


def _free_ports() -> int:
    """Where three nodes find room: clients from here on, peers 100 above, HTTP 200 above."""
    for base in range(22_300, 22_990, 10):
        sockets = [socket.socket() for _ in range(9)]
        try:
            for index, each in enumerate(sockets):
                each.bind(("127.0.0.1", base + 100 * (index // 3) + index % 3))
            return base
        except OSError:
            continue
        finally:
            for each in sockets:
                each.close()
    pytest.fail("no free ports from 22300 on")
