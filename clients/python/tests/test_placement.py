"""Where keys live: the same tokens as the server's and every other client's."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from play import World

from kindred._placement import Placement, Placements, token_of
from kindred.v1 import kv_pb2, topology_pb2, types_pb2

GOLDEN = json.loads(Path(__file__).parents[3].joinpath("test/golden/key-tokens.json").read_text())
FOUR_PARTITIONS = topology_pb2.GetPlacementResponse(
    topology_epoch=7,
    hash="xxh64",
    partition_bits=2,
    replication=2,
    nodes=[
        topology_pb2.PlacementNode(id="n1", address="a:1"),
        topology_pb2.PlacementNode(id="n2", address="b:2"),
        topology_pb2.PlacementNode(id="n3", address="x:9"),
    ],
    homes=[0, 1, 1, 2, 2, 0, 0, 2],
)


def test_the_vectors_that_all_share() -> None:
    assert len(GOLDEN["vectors"]) == 1_000
    bits = GOLDEN["partitions"].bit_length() - 1
    for vector in GOLDEN["vectors"]:
        token = token_of(vector["bucket"], base64.b64decode(vector["key"]))
        assert f"{token:016x}" == vector["token"]
        assert token >> (64 - bits) == vector["partition"]


def test_no_bucket_is_the_default_bucket() -> None:
    assert token_of("", b"a") == token_of("default", b"a")


def test_the_top_bits_choose_the_homes() -> None:
    placement = Placement(FOUR_PARTITIONS, ["a:1", "b:2", "x:9"].index)
    assert placement.home_ids(0) == ["n1", "n2"]
    assert placement.home_ids((1 << 62) - 1) == ["n1", "n2"]
    assert placement.home_ids(1 << 62) == ["n2", "n3"]
    assert placement.home_ids((1 << 64) - 1) == ["n1", "n3"]
    assert placement.homes((1 << 64) - 1) == [0, 2]


def test_a_single_partition_has_no_bits() -> None:
    response = topology_pb2.GetPlacementResponse(
        hash="xxh64",
        partition_bits=0,
        replication=1,
        nodes=[topology_pb2.PlacementNode(id="n1", address="a:1")],
        homes=[0],
    )
    assert Placement(response, ["a:1"].index).home_ids((1 << 64) - 1) == ["n1"]


def test_the_placement_is_asked_for_once_and_again_when_the_layout_changed() -> None:
    placements = Placements(["a:1", "b:2", "x:9"].index)
    assert placements.ask("carts", 100.0)
    assert not placements.ask("carts", 100.5)
    assert placements.ask("carts", 101.0)
    placements.learn("carts", FOUR_PARTITIONS)
    placements.saw("carts", 7)
    assert not placements.ask("carts", 200.0)
    placements.saw("carts", 8)
    assert placements.ask("carts", 200.0)
    assert not placements.ask("carts", 200.5)


def test_a_hash_that_is_not_known_is_not_used() -> None:
    placements = Placements(["a:1", "b:2", "x:9"].index)
    response = topology_pb2.GetPlacementResponse()
    response.CopyFrom(FOUR_PARTITIONS)
    response.hash = "xxh128"
    placements.learn("carts", response)
    assert placements.homes("carts", b"ann") == ()


def test_each_key_goes_to_its_first_home() -> None:
    absent = kv_pb2.GetResponse(
        state=kv_pb2.GetResponse.STATE_ABSENT, report=types_pb2.ReadReport(topology_epoch=7)
    )
    world = World(
        lambda call: FOUR_PARTITIONS if call.method == "GetPlacement" else absent,
        endpoints=["a:1", "b:2"],
        direct_routing=True,
    )
    placement = Placement(FOUR_PARTITIONS, world.endpoints.index_of)
    for number in range(40):
        world.run(world.operations.get("carts", f"key-{number}"))
    assert [call.method for call in world.calls].count("GetPlacement") == 1
    for call in world.calls[1:]:
        assert isinstance(call.request, kv_pb2.GetRequest)
        assert call.endpoint == placement.homes(token_of("carts", call.request.key.key))[0]
    assert {call.endpoint for call in world.calls[1:]} == {0, 1, 2}


def test_the_default_bucket_is_learnt_once_by_whatever_name() -> None:
    placements = Placements(["a:1", "b:2", "x:9"].index)
    assert placements.ask("", 100.0)
    placements.learn("", FOUR_PARTITIONS)
    assert not placements.ask("default", 200.0)
    assert placements.homes("default", b"ann") == placements.homes("", b"ann") != ()
    placements.saw("default", 8)
    assert placements.ask("", 200.0)
