"""What users ask of jobs, through a real daemon with real processes; only Spark is left out."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from gpuq.errors import NotFoundError, UsageError
from tests.support.daemon import Gpuqd, plain_gpuqd, until

QUICK = "def main_fun(args, ctx):\n    pass\n"
FAILS = "import sys\ndef main_fun(args, ctx):\n    sys.exit(7)\n"
ENDLESS = "import time\ndef main_fun(args, ctx):\n    while True: time.sleep(0.05)\n"


@pytest.fixture(scope="module")
def gpuqd() -> Iterator[Gpuqd]:
    with plain_gpuqd() as daemon:
        yield daemon


def reason(gpuqd: Gpuqd, job_id: int, wanted: str) -> None:
    """Wait until a pending job has this reason."""
    until(lambda: gpuqd.client.job(job_id)["reason"] == wanted, timeout_s=15, what=f"{wanted} of job {job_id}")


def test_a_held_job_starts_when_it_is_released(gpuqd: Gpuqd) -> None:
    job = gpuqd.enqueue(QUICK, hold=True)
    reason(gpuqd, job, "JobHeldUser")

    gpuqd.client.release(job)

    assert gpuqd.ended(job)["state"] == "COMPLETED"


def test_a_job_with_parameter_servers_has_their_ranks_and_logs_and_no_more_gpus(gpuqd: Gpuqd) -> None:
    job_id = gpuqd.enqueue(ENDLESS, workers=2, ps=1, evaluator=True)

    job = gpuqd.reaches(job_id, "RUNNING")
    seen = gpuqd.client.cluster()["nodes"]
    gpuqd.client.cancel(job_id)
    gpuqd.ended(job_id)

    assert [rank["role"] for rank in job["ranks"]] == ["chief", "worker", "ps", "evaluator"]
    assert (job["gpus"], job["ps"], job["evaluator"]) == (2, 1, True)
    assert [node["free_gpus"] for node in seen] == [0, 0]
    assert gpuqd.client.logs(job_id, rank=3)["rank"] == 3
    with pytest.raises(NotFoundError, match="ranks 0 to 3"):
        gpuqd.client.logs(job_id, rank=4)


def test_dependent_jobs_follow_how_others_end(gpuqd: Gpuqd) -> None:
    first = gpuqd.enqueue(FAILS, hold=True)
    never = gpuqd.enqueue(QUICK, dependency=f"afterok:{first}")
    after = gpuqd.enqueue(QUICK, dependency=f"afternotok:{first}")
    reason(gpuqd, after, "Dependency")

    gpuqd.client.release(first)

    assert gpuqd.ended(after)["state"] == "COMPLETED"
    reason(gpuqd, never, "DependencyNeverSatisfied")
    gpuqd.client.cancel(never)


def test_a_job_after_a_whole_array_waits_for_its_last_task(gpuqd: Gpuqd) -> None:
    array = gpuqd.enqueue(QUICK, array="0-2%1", hold=True)
    after = gpuqd.enqueue(QUICK, dependency=f"afterok:{array}")
    gpuqd.client.release(array, index=0)
    gpuqd.ended(array)

    reason(gpuqd, after, "Dependency")
    gpuqd.client.release(array, index=1)
    gpuqd.client.release(array, index=2)

    done = gpuqd.ended(after)
    last = max(gpuqd.client.job(array + index)["ended_at"] for index in range(3))
    assert done["started_at"] >= last


def test_a_throttled_array_runs_no_more_tasks_at_once(gpuqd: Gpuqd) -> None:
    array = gpuqd.enqueue(ENDLESS, array="0-1%1")
    gpuqd.reaches(array, "RUNNING")
    reason(gpuqd, array + 1, "JobArrayTaskLimit")

    gpuqd.client.update(array, {"throttle": 2}, index=1)

    gpuqd.reaches(array + 1, "RUNNING")
    gpuqd.client.cancel(array)
    assert [gpuqd.ended(array + index)["state"] for index in (0, 1)] == ["CANCELLED", "CANCELLED"]


def test_a_requeued_job_runs_again_and_a_crash_between_changes_nothing() -> None:
    with plain_gpuqd() as gpuqd:
        job = gpuqd.enqueue(ENDLESS)
        gpuqd.reaches(job, "RUNNING")
        gpuqd.client.requeue(job)
        gpuqd.kill()
        gpuqd.start()

        until(
            lambda: (now := gpuqd.client.job(job))["attempt"] == 2 and now["state"] == "RUNNING",
            timeout_s=20,
            what="the second attempt",
        )
        gpuqd.client.cancel(job)
        ended = gpuqd.ended(job)
        assert ended["state"] == "CANCELLED"
        assert ended["charged_gpu_s"] > ended["ended_at"] - ended["started_at"]
        gpuqd.client.requeue(job, is_held=True)
        assert gpuqd.client.job(job)["state"] == "PENDING"


def test_a_restart_breaks_no_promise() -> None:
    with plain_gpuqd() as gpuqd:
        first = gpuqd.enqueue(ENDLESS, workers=2, time_limit_s=600)
        gpuqd.reaches(first, "RUNNING")
        promised = gpuqd.enqueue(QUICK, workers=2, nice=50, time_limit_s=60)
        until(lambda: gpuqd.client.job(promised)["start_at"] is not None, timeout_s=15, what="a promise")
        before = gpuqd.client.job(promised)["start_at"]
        better = gpuqd.enqueue(QUICK, workers=2, time_limit_s=60)
        until(lambda: gpuqd.client.job(better)["start_at"] is not None, timeout_s=15, what="a later promise")
        assert gpuqd.client.job(better)["start_at"] >= before + 60
        gpuqd.kill()

        gpuqd.start()

        assert gpuqd.client.job(promised)["start_at"] == before
        assert gpuqd.client.job(better)["start_at"] >= before + 60


def test_the_top_job_goes_before_an_earlier_one(gpuqd: Gpuqd) -> None:
    first = gpuqd.enqueue(ENDLESS, workers=2)
    gpuqd.reaches(first, "RUNNING")
    second, third = gpuqd.enqueue(QUICK, workers=2), gpuqd.enqueue(QUICK, workers=2)
    reason(gpuqd, third, "Priority")

    gpuqd.client.move_to_top(third)
    gpuqd.client.cancel(first)

    assert gpuqd.ended(third)["started_at"] < gpuqd.ended(second)["started_at"]


def test_a_job_begins_at_its_time_and_a_missed_deadline_ends_it(gpuqd: Gpuqd) -> None:
    begin = time.time() + 1.5
    later = gpuqd.enqueue(QUICK, begin_at=begin)
    held = gpuqd.enqueue(QUICK, hold=True, deadline=time.time() + 1.0)
    running = gpuqd.enqueue(ENDLESS, deadline=time.time() + 3.0)
    after = gpuqd.enqueue(QUICK, dependency=f"afternotok:{running}")
    reason(gpuqd, later, "BeginTime")

    assert gpuqd.ended(later, timeout_s=60)["started_at"] >= begin
    for job_id, says in {held: "could not start in time to end by", running: "was ended at its deadline"}.items():
        job, why = gpuqd.ended(job_id), gpuqd.client.why(job_id)
        assert (job["state"], job["reason"], job["exit_code"]) == ("DEADLINE", "DeadLine", 124)
        assert why["reason"] == "DeadLine"
        assert says in why["text"]
        with pytest.raises(UsageError, match="could not end by its deadline"):
            gpuqd.client.requeue(job_id)
    assert gpuqd.ended(after)["state"] == "COMPLETED"


def test_a_pending_job_is_told_its_terms_and_a_test_its_start(gpuqd: Gpuqd) -> None:
    first = gpuqd.enqueue(ENDLESS, workers=2, time_limit_s=600)
    gpuqd.reaches(first, "RUNNING")
    second = gpuqd.enqueue(QUICK, workers=2, nice=10, time_limit_s=60)
    before = len(gpuqd.client.jobs(everything=True))

    terms = gpuqd.client.priority(second)
    why = gpuqd.client.test({"script_name": "job.py", "script": QUICK, "time_limit_s": 60})

    assert [term["points"] for term in terms if term["name"] == "nice"] == [-10]
    assert why["reason"] is not None
    assert why["start_at"] is None or why["start_at"] > time.time()
    assert len(gpuqd.client.jobs(everything=True)) == before
    gpuqd.client.update(second, {"workers": 1})
    with pytest.raises(UsageError, match="asks for 64 GPUs"):
        gpuqd.client.update(second, {"workers": 64})
    gpuqd.client.cancel(first)
    assert gpuqd.ended(second)["gpus"] == 1


def test_a_script_is_told_before_its_time_limit_ends_it(gpuqd: Gpuqd) -> None:
    script = (
        "import signal, time\n"
        "def main_fun(args, ctx):\n"
        "    signal.signal(signal.SIGUSR1, lambda *_: print('saving', flush=True))\n"
        "    while True: time.sleep(0.05)\n"
    )

    job = gpuqd.ended(gpuqd.enqueue(script, time_limit_s=4, signal_s=3), timeout_s=30)

    assert job["state"] == "TIMEOUT"
    assert gpuqd.client.logs(job["id"], rank=0)["data"] == "saving\n"


def test_an_exclusive_job_holds_and_pays_for_whole_nodes(gpuqd: Gpuqd) -> None:
    job_id = gpuqd.enqueue(ENDLESS, exclusive=True)
    gpuqd.reaches(job_id, "RUNNING")

    held = [node for node in gpuqd.client.cluster()["nodes"] if job_id in node["job_ids"]]

    assert [node["free_gpus"] for node in held] == [0]
    gpuqd.client.cancel(job_id)
    gpuqd.ended(job_id)
