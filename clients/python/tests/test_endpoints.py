"""Which endpoint is next."""

from __future__ import annotations

import pytest

from kindred import InvalidRequestError
from kindred._endpoints import Endpoints


def all_ready(*addresses: str) -> Endpoints:
    endpoints = Endpoints(addresses)
    for index in range(len(endpoints.addresses)):
        endpoints.ready(index)
    return endpoints


def test_they_take_turns() -> None:
    endpoints = all_ready("a:1", "b:1", "c:1")
    assert [endpoints.pick() for _ in range(6)] == [0, 1, 2, 0, 1, 2]


def test_a_broken_one_is_passed_over() -> None:
    endpoints = all_ready("a:1", "b:1", "c:1")
    endpoints.broke(1)
    assert {endpoints.pick() for _ in range(9)} == {0, 2}


def test_when_all_are_broken_they_take_turns_again() -> None:
    endpoints = all_ready("a:1", "b:1")
    endpoints.broke(0)
    endpoints.broke(1)
    assert {endpoints.pick() for _ in range(4)} == {0, 1}


def test_a_connection_that_stands_is_better_than_one_that_may_come_about() -> None:
    endpoints = Endpoints(["a:1", "b:1", "c:1"])
    endpoints.ready(2)
    assert {endpoints.pick() for _ in range(9)} == {2}


def test_one_operation_goes_round_before_it_comes_back() -> None:
    endpoints = all_ready("a:1", "b:1", "c:1")
    tried: list[int] = []
    for _ in range(6):
        tried.append(endpoints.pick((), tried))
    assert sorted(tried[:3]) == sorted(tried[3:]) == [0, 1, 2]


def test_one_that_works_is_tried_again_rather_than_a_broken_one() -> None:
    endpoints = all_ready("a:1", "b:1")
    endpoints.broke(1)
    assert endpoints.pick((), [0]) == 0


def test_a_single_endpoint_is_tried_again() -> None:
    endpoints = all_ready("a:1")
    assert endpoints.pick((), [0, 0]) == 0


def test_homes_come_first_in_their_order_unless_they_are_broken() -> None:
    endpoints = all_ready("a:1", "b:1", "c:1")
    assert endpoints.pick((2, 1)) == 2
    assert endpoints.pick((2, 1), [2]) == 1
    endpoints.broke(2)
    assert endpoints.pick((2, 1)) == 1


def test_learnt_addresses_are_homes_and_take_no_turns() -> None:
    endpoints = all_ready("a:1", "b:1")
    learnt = endpoints.index_of("d:1")
    assert learnt == 2
    assert endpoints.index_of("b:1") == 1
    assert endpoints.index_of("d:1") == 2
    assert endpoints.pick((learnt,)) == learnt
    endpoints.broke(learnt)
    assert endpoints.pick((learnt,)) in (0, 1)
    assert {endpoints.pick() for _ in range(6)} == {0, 1}


def test_somebody_is_told_once_of_each_break() -> None:
    endpoints = all_ready("a:1", "b:1")
    told: list[int] = []
    endpoints.on_unreachable = told.append
    endpoints.broke(1)
    endpoints.broke(1)
    endpoints.ready(1)
    endpoints.broke(1)
    assert told == [1, 1]


def test_endpoints_that_are_none_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match="at least one"):
        Endpoints([])
    with pytest.raises(InvalidRequestError, match="host:port"):
        Endpoints(["localhost"])
