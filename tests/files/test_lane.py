"""A file system in trouble is told at once, tried now and then, and well again as soon as one trial is."""

from __future__ import annotations

from collections.abc import Generator
from threading import Event

import pytest

from gpuq_daemon.files.found import FilesError, OneFileError
from gpuq_daemon.files.lane import THREADS, Lane


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lane(clock: Clock) -> Generator[Lane]:
    lane = Lane("hdfs://prod", ticks=clock)
    yield lane
    lane.close()


def fails() -> None:
    raise FilesError("hdfs://prod does not answer.")


def go_wrong(lane: Lane) -> None:
    with pytest.raises(FilesError, match="does not answer"):
        lane.submit(fails).result(timeout=30)


def is_refused(lane: Lane) -> bool:
    try:
        lane.submit(lambda: None).result(timeout=30)
    except FilesError:
        return True
    return False


def test_after_trouble_nobody_tries_for_a_moment_and_then_one_trial_makes_it_well(lane: Lane, clock: Clock) -> None:
    go_wrong(lane)

    refused = is_refused(lane)
    clock.now = 1.0
    tried = lane.submit(lambda: "well").result(timeout=30)

    assert (refused, tried, lane.trouble) == (True, "well", None)


def test_the_pauses_between_trials_grow_to_a_quarter_of_a_minute(lane: Lane, clock: Clock) -> None:
    pauses: list[float] = []
    for _ in range(7):
        go_wrong(lane)
        began = clock.now
        while not lane.is_worth_trying:
            clock.now += 0.5
        pauses.append(clock.now - began)

    assert pauses == [1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]


def test_what_waited_in_line_while_others_hung_does_not_hang_as_well(lane: Lane) -> None:
    hang, ran = Event(), list[int]()

    def hangs() -> None:
        hang.wait(30)
        fails()

    hung = [lane.submit(hangs) for _ in range(THREADS)]
    behind = [lane.submit(lambda number=number: ran.append(number)) for number in range(20)]
    hang.set()

    for each in (*hung, *behind):
        with pytest.raises(FilesError, match="does not answer"):
            each.result(timeout=30)
    assert ran == []


def test_one_file_that_cannot_be_read_is_no_trouble_of_its_file_system(lane: Lane) -> None:
    def may_not() -> None:
        raise OneFileError("hdfs://prod: ann may not read /a.")

    with pytest.raises(OneFileError):
        lane.submit(may_not).result(timeout=30)

    assert (lane.trouble, is_refused(lane)) == (None, False)
