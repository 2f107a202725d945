"""Of each step is known how long it took, and how much of that was spent outside of TensorFlow."""

from __future__ import annotations

import threading

import pytest

from gpuq_job.steps import StepTimes


class Course:
    """A clock that only what is done moves."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at

    def takes(self, seconds: float) -> None:
        self.at += seconds


def test_a_step_lasts_from_the_end_of_the_one_before_and_its_own_part_is_what_is_outside() -> None:
    clock = Course()
    times = StepTimes(clock)
    step = times.counted(clock.takes)

    for _ in range(5):
        clock.takes(0.25)
        step(0.75)

    taken = times.take()
    assert taken == {"count": 4, "mean_s": 1.0, "p95_s": 1.0, "own_s": 0.25, "own_p95_s": 0.25}
    assert times.take() is None


def test_waiting_for_a_result_is_nobodys_own_time_and_a_call_within_a_call_is_no_step() -> None:
    clock = Course()
    times = StepTimes(clock)
    inner = times.counted(clock.takes)
    outer = times.counted(lambda: [inner(0.1), fetch(0.1)])
    fetch = times.waited(clock.takes)

    for _ in range(3):
        outer()
        fetch(0.7)
        clock.takes(0.1)

    taken = times.take()
    assert taken is not None
    assert taken["count"] == 2
    assert taken["own_s"] == pytest.approx(0.1)
    assert taken["mean_s"] == pytest.approx(1.0)


def test_one_long_pause_among_many_steps_is_no_pace() -> None:
    clock = Course()
    times = StepTimes(clock)
    step = times.counted(clock.takes)

    for n in range(21):
        clock.takes(30.0 if n == 7 else 0.01)  # a checkpoint is written, say
        step(0.1)

    taken = times.take()
    assert taken is not None
    assert taken["own_s"] == pytest.approx(0.01)


def test_other_threads_have_no_steps() -> None:
    times = StepTimes(Course())
    step = times.counted(lambda: None)
    threads = [threading.Thread(target=step) for _ in range(2)]

    for thread in threads:
        thread.start()
        thread.join()

    assert times.take() is None
