"""Somebody sets the clock of gpuqd's machine, forward and back, while jobs wait and run."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuq_daemon.policy.lifecycle import end_of
from tests.support.daemon import Gpuqd, plain_gpuqd, until

QUICK = "def main_fun(args, ctx):\n    pass\n"
ENDLESS = "import time\ndef main_fun(args, ctx):\n    while True: time.sleep(0.05)\n"
_DAY = 86_400.0


@pytest.mark.parametrize("jumps", [(_DAY, -_DAY), (-_DAY, _DAY)], ids=["forward then back", "back then forward"])
def test_a_clock_that_is_set_ends_no_job_and_makes_no_time_negative(jumps: tuple[float, float]) -> None:
    with plain_gpuqd() as gpuqd:
        job = gpuqd.reaches(gpuqd.enqueue(ENDLESS, time_limit_s=3600), "RUNNING")
        for jump in jumps:
            gpuqd.set_clock(jump)
            _looks(gpuqd, 3)
            assert gpuqd.client.job(job["id"])["state"] == "RUNNING"
            assert gpuqd.client.job(job["id"])["charged_gpu_s"] >= 0
            waits = time.monotonic()
            gpuqd.client.wait(job["id"], timeout_s=0.5)
            assert time.monotonic() - waits < 10
            quick = gpuqd.ended(gpuqd.enqueue(QUICK))
            assert quick["state"] == "COMPLETED"
            assert 0 <= quick["charged_gpu_s"] == pytest.approx(quick["ended_at"] - quick["started_at"])
            assert quick["charged_gpu_s"] < 60
        gpuqd.client.cancel(job["id"])
        ended = gpuqd.ended(job["id"])

    assert 0 < ended["ended_at"] - ended["started_at"] < 600
    assert 0 < ended["charged_gpu_s"] < 600


def test_a_time_limit_holds_though_the_clock_was_set_back() -> None:
    with plain_gpuqd() as gpuqd:
        job = gpuqd.reaches(gpuqd.enqueue(ENDLESS, time_limit_s=3), "RUNNING")
        gpuqd.set_clock(-_DAY)

        ended = gpuqd.ended(job["id"])

    assert ended["state"] == "TIMEOUT"
    assert 3 <= ended["ended_at"] - ended["started_at"] < 60


def _looks(gpuqd: Gpuqd, count: int) -> None:
    """Return after gpuqd has looked at its attempts so many times: it does so each half second."""
    begin = time.monotonic()
    until(
        lambda: time.monotonic() - begin > count * 0.6 and bool(gpuqd.client.cluster()),
        timeout_s=60,
        what="the looks",
    )


_TIMES = st.floats(0, 4e9)


@given(started_at=_TIMES, said=st.none() | _TIMES, now=_TIMES, ran_s=st.none() | st.floats(0, 1e8))
def test_no_attempt_ends_before_it_began_or_runs_longer_than_it_ran(
    started_at: float, said: float | None, now: float, ran_s: float | None
) -> None:
    ended_at = end_of(started_at, said=said, now=now, ran_s=ran_s)

    assert ended_at >= started_at
    if ran_s is not None:
        assert ended_at - started_at <= ran_s + 60.001


def test_without_a_jump_an_end_has_the_time_that_was_told() -> None:
    assert end_of(100.0, said=130.25, now=500.0, ran_s=30.0) == 130.25
    assert end_of(100.0, said=130.25, now=500.0, ran_s=None) == 130.25
