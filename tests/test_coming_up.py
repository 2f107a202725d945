"""What a job that is starting waits for."""

from __future__ import annotations

import pytest

from gpuq.coming_up import coming_up


@pytest.mark.parametrize(
    ("wanted", "nodes", "there", "says"),
    [
        (3, ["a", "b", "c"], ["a", "c"], "2 of 3 nodes reserved, waiting for executor on b"),
        (2, ["a", "b"], [], "0 of 2 nodes reserved, waiting for executor on a, b"),
        (3, ["a"], ["a"], "1 of 3 nodes reserved, waiting for 2 more"),
        (2, ["a", "b"], [None], "1 of 2 nodes reserved, waiting for 1 more"),
        (2, ["a", "b"], ["a", "b"], "2 of 2 nodes reserved, none runs the function yet"),
    ],
)
def test_the_nodes_that_are_not_there_are_named(
    wanted: int, nodes: list[str], there: list[str | None], says: str
) -> None:
    assert coming_up(wanted, nodes, there) == says
