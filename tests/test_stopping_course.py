"""Jobs that are asked to stop, and jobs that are tried again, through a real daemon; only Spark is left out."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from gpuq.errors import UnavailableError, UsageError
from tests.support.daemon import Gpuqd, plain_gpuqd, until

# Steps on a file that all attempts of a job share, as a checkpoint is.
STEPS = """
import pathlib, sys, time
from gpuq_job import stopping

def main_fun(args, ctx):
    kept = pathlib.Path(args[1])
    step = int(kept.read_text()) if kept.exists() else 0
    print("goes on after", step, flush=True)
    while step < int(args[2]):
        step += 1
        time.sleep(0.01)
        stopping.stop_if_requested(lambda: kept.write_text(str(step)))
    print("all done at", step, flush=True)
"""
DEAF = "import time\ndef main_fun(args, ctx):\n    while True: time.sleep(0.05)\n"
FAILS = "def main_fun(args, ctx):\n    raise {error}\n"


@pytest.fixture(scope="module")
def gpuqd() -> Iterator[Gpuqd]:
    with plain_gpuqd() as daemon:
        yield daemon


def log(gpuqd: Gpuqd, job_id: int) -> str:
    return gpuqd.client.logs(job_id, rank=0)["data"]


def test_a_cancelled_job_saves_and_stops_within_the_time_that_it_asked_for(gpuqd: Gpuqd) -> None:
    kept = gpuqd.folder / "cancelled"
    job_id = gpuqd.enqueue(STEPS, args=[str(kept), "1000000"], signal_s=600)
    gpuqd.reaches(job_id, "RUNNING")

    gpuqd.client.cancel(job_id)
    job = gpuqd.ended(job_id, timeout_s=60)

    assert (job["state"], job["end_reason"], job["exit_code"]) == ("CANCELLED", "Cancelled", 143)
    assert int(kept.read_text()) > 0
    assert "gpuq: asked to stop soon (cancelled)" in log(gpuqd, job_id)
    assert "gpuq: stopped (cancelled)" in log(gpuqd, job_id)


def test_a_second_cancel_waits_for_nobody(gpuqd: Gpuqd) -> None:
    script = "import signal\nsignal.signal(signal.SIGUSR1, lambda *_: print('heard', flush=True))\n" + DEAF
    job_id = gpuqd.enqueue(script, signal_s=600)
    gpuqd.reaches(job_id, "RUNNING")
    gpuqd.client.cancel(job_id)
    until(lambda: "heard" in log(gpuqd, job_id), timeout_s=30, what="the request")
    assert gpuqd.client.job(job_id)["state"] == "COMPLETING"

    gpuqd.client.cancel(job_id)

    assert gpuqd.ended(job_id, timeout_s=60)["state"] == "CANCELLED"


def test_a_request_that_was_not_heard_is_made_again(gpuqd: Gpuqd) -> None:
    kept, deaf = gpuqd.folder / "unheard", gpuqd.folder / "deaf"
    job_id = gpuqd.enqueue(STEPS, args=[str(kept), "1000000"], signal_s=600)
    gpuqd.reaches(job_id, "RUNNING")
    deaf.touch()
    gpuqd.client.cancel(job_id)
    unheard = f"asked to stop job_id={job_id} "
    until(lambda: unheard in (gpuqd.folder / "gpuqd.log").read_text(), timeout_s=30, what="a request")
    deaf.unlink()

    assert gpuqd.ended(job_id, timeout_s=60)["state"] == "CANCELLED"
    assert int(kept.read_text()) > 0


def test_a_requeued_job_goes_on_from_the_step_that_it_had_saved(gpuqd: Gpuqd) -> None:
    kept = gpuqd.folder / "requeued"
    job_id = gpuqd.enqueue(STEPS, args=[str(kept), "400"], signal_s=600)
    gpuqd.reaches(job_id, "RUNNING")

    gpuqd.client.requeue(job_id)
    job = gpuqd.ended(job_id, timeout_s=60)

    assert (job["state"], job["attempt"], job["end_reason"]) == ("COMPLETED", 2, None)
    saved = int(kept.read_text())
    assert 0 < saved < 400
    assert f"goes on after {saved}\n" in log(gpuqd, job_id)


def test_a_job_that_stops_before_its_limit_has_reached_it(gpuqd: Gpuqd) -> None:
    kept = gpuqd.folder / "limited"

    job = gpuqd.ended(gpuqd.enqueue(STEPS, args=[str(kept), "1000000"], time_limit_s=600, signal_s=598), timeout_s=120)

    assert (job["state"], job["end_reason"], job["exit_code"]) == ("TIMEOUT", "TimeLimit", 124)
    assert int(kept.read_text()) > 0


def test_a_job_whose_driver_is_killed_is_tried_again_as_often_as_it_asks(gpuqd: Gpuqd) -> None:
    job_id = gpuqd.enqueue(DEAF, retries=1)
    for attempt in (1, 2):
        until(
            lambda n=attempt: [gpuqd.client.job(job_id)[k] for k in ("state", "attempt")] == ["RUNNING", n],
            timeout_s=60,
            what=f"attempt {attempt}",
        )
        os.kill(gpuqd.client.job(job_id)["driver_pid"], signal.SIGKILL)

    job = gpuqd.ended(job_id, timeout_s=60)

    assert (job["state"], job["attempt"], job["end_reason"], job["retried"]) == ("FAILED", 2, "NodeLost", 1)


@pytest.mark.parametrize(
    ("error", "reason"),
    [("ValueError('mine')", "UserError"), ("MemoryError()", "OutOfMemory"), ("SystemExit(9)", "UserError")],
)
def test_a_job_is_not_tried_again_after_an_error_of_its_own(gpuqd: Gpuqd, error: str, reason: str) -> None:
    job = gpuqd.ended(gpuqd.enqueue(FAILS.format(error=error), retries=3))

    assert (job["state"], job["attempt"], job["end_reason"]) == ("FAILED", 1, reason)


def test_a_job_whose_nodes_do_not_come_up_says_which_and_is_given_up() -> None:
    with plain_gpuqd(more="configuring_limit_s = 10") as gpuqd:
        job_id = gpuqd.enqueue(DEAF, workers=2, args=["--never-begins"])
        until(lambda: bool(gpuqd.client.job(job_id)["ranks"]), timeout_s=30, what="a first node")
        assert "1 of 2 nodes reserved, waiting for executor on plain-2" in gpuqd.client.why(job_id)["text"]

        job = gpuqd.ended(job_id, timeout_s=60)

    assert (job["state"], job["end_reason"]) == ("FAILED", "ReservationTimeout")
    assert job["error"] == "given up after 10 s: 1 of 2 nodes reserved, waiting for executor on plain-2"


def test_where_a_running_job_is_can_be_asked_and_it_goes_on(gpuqd: Gpuqd) -> None:
    job_id = gpuqd.enqueue(DEAF)
    gpuqd.reaches(job_id, "RUNNING")

    deaf = gpuqd.folder / "deaf"
    deaf.touch()
    with pytest.raises(UnavailableError, match="its driver was not there to hear: ask again"):
        gpuqd.client.stacks(job_id)
    deaf.unlink()
    gpuqd.client.stacks(job_id)

    until(lambda: "gpuq: end of stacks" in log(gpuqd, job_id), timeout_s=30, what="the stacks")
    assert "main_fun" in log(gpuqd, job_id)
    assert gpuqd.client.job(job_id)["state"] == "RUNNING"
    gpuqd.client.cancel(job_id)
    gpuqd.ended(job_id)
    with pytest.raises(UsageError, match="only ranks of a running job"):
        gpuqd.client.stacks(job_id)
