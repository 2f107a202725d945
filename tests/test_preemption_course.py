"""Jobs that are stopped for others and go on from what they saved, through a real daemon; only Spark is left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.daemon import Gpuqd, plain_gpuqd, until
from tests.test_stopping_course import DEAF, STEPS

NO_PATIENCE = """
[scheduler]
preemption = true
least_run_s = 0
small_patience_s = 0
"""
QUICK = "def main_fun(args, ctx):\n    print('quick', flush=True)\n"


@pytest.fixture(scope="module")
def gpuqd() -> Iterator[Gpuqd]:
    with plain_gpuqd(more=NO_PATIENCE) as daemon:
        yield daemon


def ended_well(gpuqd: Gpuqd, job_id: int) -> dict[str, Any]:
    """Return a job that has completed."""
    job = gpuqd.ended(job_id, timeout_s=90)
    assert job["state"] == "COMPLETED", job
    return job


def test_a_job_is_stopped_for_one_that_was_moved_to_the_top_and_goes_on_from_what_it_saved(gpuqd: Gpuqd) -> None:
    kept = gpuqd.folder / "steps"
    long = gpuqd.enqueue(STEPS, args=[str(kept), "600"], workers=2, signal_s=60, retries=5)
    gpuqd.reaches(long, "RUNNING")

    other = gpuqd.enqueue(QUICK, workers=2)
    assert gpuqd.client.job(other)["state"] == "PENDING"
    gpuqd.client.move_to_top(other)
    first = ended_well(gpuqd, other)
    job = ended_well(gpuqd, long)

    assert (job["attempt"], job["retried"]) == (2, 0)
    assert first["started_at"] < job["ended_at"]
    assert "goes on after 0" not in gpuqd.client.logs(long, rank=0)["data"]


def test_nobody_is_stopped_who_does_not_say_that_it_can_go_on(gpuqd: Gpuqd) -> None:
    firm = gpuqd.enqueue(DEAF, workers=2, signal_s=60)
    gpuqd.reaches(firm, "RUNNING")
    other = gpuqd.enqueue(QUICK, workers=2)
    gpuqd.client.move_to_top(other)

    until(lambda: gpuqd.client.why(other)["reason"] == "Resources", timeout_s=30, what="the reason")

    assert gpuqd.client.job(firm)["state"] == "RUNNING"
    gpuqd.client.cancel(firm)
    gpuqd.client.cancel(firm)
    ended_well(gpuqd, other)


def test_what_was_cleared_for_a_job_that_is_cancelled_is_free_for_others(gpuqd: Gpuqd) -> None:
    kept = gpuqd.folder / "more"
    long = gpuqd.enqueue(STEPS, args=[str(kept), "100"], workers=2, signal_s=60, retries=5)
    gpuqd.reaches(long, "RUNNING")
    other = gpuqd.enqueue(QUICK, workers=2)
    gpuqd.client.move_to_top(other)

    gpuqd.client.cancel(other)

    ended_well(gpuqd, long)
