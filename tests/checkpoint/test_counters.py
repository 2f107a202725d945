"""Which step a checkpoint is of: what it says itself, what its name says, and when that only counts saves."""

from __future__ import annotations

import pytest

from gpuq_daemon.checkpoint.counters import Counters, counters
from gpuq_daemon.checkpoint.source import DamagedError
from gpuq_daemon.checkpoint.variables import Piece, Variable
from tests.support.values import Bytes

INT32, INT64, FLOAT = 3, 9, 1


def a_number(key: str, offset: int = 0, size: int = 8, dtype: int = INT64, shape: tuple[int, ...] = ()) -> Variable:
    piece = Piece(shard=0, offset=offset, size=size)
    return Variable(name=key, key=f"{key}/.ATTRIBUTES/VARIABLE_VALUE", dtype=dtype, shape=shape, pieces=(piece,))


SHARD = Bytes((7).to_bytes(8, "little") + (1200).to_bytes(8, "little") + (5).to_bytes(4, "little") + b"\xff" * 8)


def test_a_name_that_counts_saves_is_told_from_the_step() -> None:
    found = counters([a_number("save_counter"), a_number("optimizer/_iterations", 8)], [SHARD])

    assert found == Counters(saves=7, iterations=1200)
    assert (found.step_of(7), found.is_save(7)) == (1200, True)
    assert (found.step_of(30), found.is_save(30)) == (30, False)  # a number that the script has chosen


@pytest.mark.parametrize("key", ["step", "global_step"])
def test_a_step_that_the_script_keeps_counts_more_than_the_name(key: str) -> None:
    found = counters([a_number(key, 16, 4, INT32), a_number("optimizer/iter", 8)], [SHARD])

    assert (found.step_of(30), found.step_of(None)) == (5, 5)


def test_saves_without_any_step_have_none() -> None:
    assert counters([a_number("save_counter")], [SHARD]).step_of(7) is None
    assert counters([], []).step_of(7) == 7


@pytest.mark.parametrize(
    "odd",
    [
        a_number("step", dtype=FLOAT),
        a_number("step", shape=(1,)),
        a_number("step", size=4),
        a_number("step", offset=20),  # below zero
    ],
)
def test_what_is_no_whole_number_is_no_step(odd: Variable) -> None:
    assert counters([odd], [SHARD]) == Counters()


def test_a_file_that_is_cut_off_is_damaged() -> None:
    with pytest.raises(DamagedError):
        counters([a_number("step", offset=1000)], [SHARD])
