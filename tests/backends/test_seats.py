from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gpuq_daemon.backends.seats import Seat, seated


@given(
    st.integers(1, 4),
    st.integers(0, 3),
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 6), min_size=1),
)
def test_no_two_ranks_have_a_gpu_in_common_and_all_are_free(workers: int, each: int, sizes: dict[str, int]) -> None:
    free = {node: [f"{node}{number}" for number in range(size)] for node, size in sizes.items()}

    seats = seated(workers, each, {}, free)

    if seats is None:
        assert each > 0
        assert sum(size // each for size in sizes.values()) < workers
        return
    given_out = [gpu for seat in seats for gpu in seat.gpus]
    assert [len(seat.gpus) for seat in seats] == [each] * workers
    assert len(set(given_out)) == len(given_out)
    assert all(gpu in free[seat.node] for seat in seats for gpu in seat.gpus)


def test_a_gang_lies_on_the_nodes_that_it_was_given() -> None:
    free = {"a": ["0", "1"], "b": ["2", "3"]}

    assert seated(2, 1, {"a": 1, "b": 1}, free) == (Seat(node="a", gpus=("0",)), Seat(node="b", gpus=("2",)))
    assert seated(2, 1, {"b": 2}, free) == (Seat(node="b", gpus=("2",)), Seat(node="b", gpus=("3",)))
    assert seated(3, 1, {"b": 2}, free) is None
