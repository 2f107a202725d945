"""An array by its number is all its tasks, and a job that ran more than once all its attempts."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from gpuq.models import EndReason, JobState, Reason, Tasks, Why
from gpuq.tracing import Trace, Traced
from tests.cli.conftest import Gpuq
from tests.support.fake_daemon import FakeDaemon, a_job, a_log, events

_ENDED = {"started_at": 1_001.0, "ended_at": 1_010.0, "attempt": 1}
TASKS = [
    a_job(id=20, array_id=20, array_index=0, state=JobState.COMPLETED, exit_code=0, **_ENDED),
    a_job(id=21, array_id=20, array_index=1, state=JobState.FAILED, exit_code=9, error="no\x1b data", **_ENDED),
    a_job(id=22, array_id=20, array_index=2, state=JobState.COMPLETED, exit_code=0, **_ENDED),
]


@pytest.fixture(autouse=True)
def _an_array(daemon: FakeDaemon) -> None:  # pyright: ignore[reportUnusedFunction] - pytest's
    daemon.answers |= {f"GET /v1/jobs/{task.id}": task for task in TASKS}
    daemon.answers["GET /v1/jobs"] = {"jobs": [*TASKS, a_job(id=30)], "next_cursor": None}


def test_a_wait_for_an_array_is_for_all_its_tasks_and_ends_as_the_worst_did(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    running = replace(TASKS[1], state=JobState.RUNNING, ended_at=None, exit_code=None)
    daemon.answers["GET /v1/jobs"] = {"jobs": [TASKS[0], running, TASKS[2]]}
    daemon.answers["GET /v1/events"] = events(("reset", {}), ("job", {"id": 21, "state": "FAILED"}))

    done = gpuq("wait", "20")

    assert done.code == 9
    assert [line.split()[1] for line in done.out.splitlines()] == ["20_0", "20_2", "20_1", "20:"]
    assert done.out.endswith("Array 20: 3 tasks: 2 COMPLETED, 1 FAILED.\n")
    assert daemon.asked[1][2]["array"] == "20"
    assert gpuq("wait", "20_0").out.splitlines() == done.out.splitlines()[:1]
    assert [json.loads(line)["id"] for line in gpuq("wait", "20", "20_1", "--json").out.splitlines()] == [20, 22, 21]


def test_an_array_is_shown_as_a_whole_and_its_failures_by_name(gpuq: Gpuq) -> None:
    shown = gpuq("show", "20").out

    lines = shown.splitlines()
    assert lines[0] == "Array 20: 3 tasks: 2 COMPLETED, 1 FAILED."
    assert "Completed  20_[0,2]" in lines
    assert "Failed     20_1" in lines
    assert next(line.split() for line in lines if line.strip().startswith("20_1"))[1:3] == ["FAILED", "9"]
    assert lines[-1] == "All of one: gpuq show 20_1"
    assert "\x1b" not in shown
    assert gpuq("show", "20_0").out.startswith("Job ")
    assert [json.loads(line)["id"] for line in gpuq("show", "20", "--json").out.splitlines()] == [20, 21, 22]


def test_why_of_an_array_is_that_of_the_first_task_that_waits(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    waiting = a_job(id=23, array_id=20, array_index=3, reason=Reason.RESOURCES)
    plain = Why(job_id=20, state=JobState.COMPLETED, reason=None, text="ran.", needs_gpus=1, free_gpus=0, total_gpus=1)
    counts = Tasks(states={JobState.COMPLETED: 1, JobState.PENDING: 1}, first_at=None, last_at=None)
    waits = replace(plain, job_id=23, state=JobState.PENDING, reason=Reason.RESOURCES, text="needs 2 GPUs.")
    daemon.answers |= {
        "GET /v1/jobs": {"jobs": [TASKS[0], waiting]},
        "GET /v1/jobs/20/why": replace(plain, tasks=counts),
        "GET /v1/jobs/23/why": waits,
    }

    told = gpuq("why", "20").out

    assert told == ("Array 20: 2 tasks: 1 COMPLETED, 1 PENDING.\nJob 20_3 is PENDING (Resources): needs 2 GPUs.\n")


def test_a_log_of_an_array_says_whose_it_is(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    daemon.answers["GET /v1/jobs/20/logs"] = a_log("hello")

    assert "this is the log of its task 20_0" in gpuq("logs", "20").err
    assert gpuq("logs", "20_0").err == ""


def test_events_of_an_array_are_those_of_all_its_tasks_by_name(gpuq: Gpuq) -> None:
    told = gpuq("events", "20").out

    assert {line.split()[3] for line in told.splitlines()} == {"20_0", "20_1", "20_2"}


@pytest.mark.parametrize(
    ("job", "last"),
    [
        (a_job(state=JobState.RUNNING, attempt=3, started_at=1_300.0, nodes=("n1",)), "attempt 3 started on n1"),
        (a_job(attempt=2, reason=Reason.RESOURCES), "PENDING; Resources"),
        (a_job(attempt=2, state=JobState.CANCELLED, ended_at=2_000.0), "CANCELLED"),
    ],
)
def test_all_attempts_of_a_job_are_told(daemon: FakeDaemon, gpuq: Gpuq, job: object, last: str) -> None:
    def trace(attempt: int, reason: EndReason | None, **changes: object) -> Trace:
        at = 1_000.0 + 100 * attempt
        plain = {
            "job_id": 12, "name": "x", "user": "ada", "account": "root", "state": "RUNNING", "attempt": attempt,
            "matched": "the job", "rank": None, "application_id": None, "driver_pid": None, "started_at": at,
            "ended_at": at + 60, "end_reason": reason, "log_uri": None,
        }  # fmt: skip
        return Trace(**(plain | changes))  # type: ignore[arg-type]

    traces = (trace(3, None, ended_at=None), trace(2, None), trace(1, EndReason.NODE_LOST), trace(7, None, job_id=99))
    daemon.answers |= {"GET /v1/jobs/12": job}
    daemon.answers["GET /v1/trace"] = Traced(handle="12", kind="job", traces=traces, searched="")

    shown = [line for line in gpuq("show", "12").out.splitlines() if "--attempt" in line]
    told = [line.split("  job 12  ")[1] for line in gpuq("events", "12").out.splitlines()]

    assert [line.partition(": gpuq")[2] for line in shown] == [" logs 12 --attempt 1", " logs 12 --attempt 2"]
    assert "ended by NodeLost after 00:01:00" in shown[0]
    assert "completed after" in shown[1]
    assert told[1:5] == [
        "attempt 1 started", "attempt 1 ended by NodeLost", "attempt 2 started", "attempt 2 completed",
    ]  # fmt: skip
    assert told[-1] == last
