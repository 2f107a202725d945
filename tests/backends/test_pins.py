from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gpuq_daemon.backends import pins


@given(st.integers(1, 6).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1), min_size=1))))
def test_just_the_nodes_that_were_given_have_what_is_asked_for(case: tuple[int, set[int]]) -> None:
    nodes, chosen = case

    pin = pins.wanted(chosen, nodes)

    has = {node for node in range(nodes) if pin is None or pin in pins.offered(node, nodes)}
    assert has == chosen


def test_of_many_nodes_single_ones_are_told_apart() -> None:
    assert pins.wanted([3], 50) in pins.offered(3, 50)
    assert pins.wanted([3], 50) not in pins.offered(4, 50)
    assert len(pins.offered(3, 50)) == 1
    assert pins.wanted([3, 4], 50) is None


def test_who_was_given_nothing_may_go_anywhere() -> None:
    assert pins.wanted([], 4) is None
