"""What is written again takes the place of what was there, and nothing else is lost."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gpuq_daemon.series.restarts import course
from gpuq_daemon.series.thin import Columns

steps_lists = st.lists(st.integers(0, 12), max_size=25)


def columns_of(steps: list[int], start: int = 0) -> Columns:
    """Return points at `steps` whose values number them from `start` on."""
    numbers = np.arange(start, start + len(steps), dtype=float)
    return Columns(steps=np.array(steps, float), wall_times=numbers, values=numbers)


@given(st.lists(steps_lists, min_size=1, max_size=3))
def test_a_point_stands_unless_the_training_went_back_to_it_or_before(attempts: list[list[int]]) -> None:
    written = [step for steps in attempts for step in steps]
    begins = {sum(map(len, attempts[:i])) for i in range(1, len(attempts))}
    back = [j for j in range(1, len(written)) if written[j] < written[j - 1] or j in begins]
    expected = [i for i, step in enumerate(written) if all(step < written[j] for j in back if j > i)]
    parts, start = list[Columns](), 0
    for steps in attempts:
        parts.append(columns_of(steps, start))
        start += len(steps)

    found = course(parts)

    assert found.points.values.tolist() == expected
    assert found.replaced == len(written) - len(expected)
    kept = [written[i] for i in expected]
    assert kept == sorted(kept)
    assert [expected[at] for at in found.restarts] == [i for i in expected if i in back and i != expected[0]]


def test_the_same_step_twice_is_no_restart() -> None:
    found = course([columns_of([0, 0, 0, 1, 1])])

    assert (len(found.points.steps), found.restarts, found.replaced) == (5, (), 0)


def test_an_attempt_that_goes_on_where_the_last_one_ended_is_marked_and_replaces_nothing() -> None:
    found = course([columns_of([1, 2, 3]), columns_of([4, 5])])

    assert (found.points.steps.tolist(), found.restarts, found.replaced) == ([1, 2, 3, 4, 5], (3,), 0)
