"""A job's whole course through a real daemon, real shims and real processes; only Spark is left out."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from gpuq.errors import NotFoundError, UsageError
from tests.support.daemon import Gpuqd, is_alive, plain_gpuqd, until

QUICK = "def main_fun(args, ctx):\n    print('hello', args[1:])\n"
ENDLESS = "import time\ndef main_fun(args, ctx):\n    while True: time.sleep(0.05)\n"
FAILS = "import sys\ndef main_fun(args, ctx):\n    sys.exit(7)\n"


@pytest.fixture(scope="module")
def gpuqd() -> Iterator[Gpuqd]:
    with plain_gpuqd() as daemon:
        yield daemon


def test_a_job_runs_and_leaves_its_log_and_account(gpuqd: Gpuqd) -> None:
    job = gpuqd.ended(gpuqd.enqueue(QUICK, workers=2, args=["a b", "--x"]))

    assert (job["state"], job["exit_code"]) == ("COMPLETED", 0)
    assert job["charged_gpu_s"] == pytest.approx((job["ended_at"] - job["started_at"]) * 2)
    assert [rank["state"] for rank in job["ranks"]] == ["DONE", "DONE"]
    piece = gpuqd.client.logs(job["id"], rank=0)
    assert piece["data"] == "hello ['a b', '--x']\n"
    assert piece["is_final"]


def test_what_a_job_prints_to_either_stream_can_be_had_alone(gpuqd: Gpuqd) -> None:
    script = (
        "import os, sys\ndef main_fun(args, ctx):\n for i in range(3):\n  print('out', i)\n"
        "  print('err', i, file=sys.stderr)\n os.write(2, b'native\\n')\n print('end')\n sys.exit(3)\n"
    )
    job = gpuqd.ended(gpuqd.enqueue(script))

    def said(**which: Any) -> str:
        return gpuqd.client.logs(job["id"], rank=0, **which)["data"]

    assert said() == "out 0\nerr 0\nout 1\nerr 1\nout 2\nerr 2\nnative\nend\n"
    assert said(stream="stdout") == "out 0\nout 1\nout 2\nend\n"
    assert said(stream="stderr") == "err 0\nerr 1\nerr 2\nnative\n"
    assert said(stream="stderr", offset=-7) == "native\n"
    assert said(stream="stderr", offset=-6, until=12) == "err 0\n"
    with pytest.raises(UsageError, match="The driver's log is one"):
        gpuqd.client.logs(job["id"], stream="stderr")
    (gpuqd.folder / "jobs" / str(job["id"]) / "1" / "logs" / "rank-0.streams").unlink()
    piece = gpuqd.client.logs(job["id"], rank=0, stream="stderr")
    assert (piece["is_told_apart"], piece["data"]) == (False, said())


def test_a_failing_script_ends_with_its_own_exit_code(gpuqd: Gpuqd) -> None:
    job = gpuqd.ended(gpuqd.enqueue(FAILS))

    assert (job["state"], job["exit_code"], job["failed_rank"]) == ("FAILED", 7, 0)
    assert job["error_tail"] == ["the last line"]


def test_the_second_of_two_gangs_waits_and_says_for_whom(gpuqd: Gpuqd) -> None:
    first = gpuqd.enqueue(ENDLESS, workers=2)
    gpuqd.reaches(first, "RUNNING")
    second = gpuqd.enqueue(QUICK, workers=2)
    third = gpuqd.enqueue(QUICK)

    why = gpuqd.client.why(second)
    behind = gpuqd.client.why(third)

    assert why["reason"] == "Resources"
    assert why["text"].startswith("needs 2 virtual GPUs (2 x 1), 0 of 2 free: job ")
    assert [holder["job_id"] for holder in why["held_by"]] == [first]
    assert (behind["reason"], behind["jobs_ahead"], behind["gpus_ahead"]) == ("Priority", 1, 2)
    assert gpuqd.client.job(second)["reason"] == "Resources"
    gpuqd.client.cancel(first)
    assert gpuqd.ended(second)["state"] == "COMPLETED"
    assert gpuqd.ended(third)["state"] == "COMPLETED"


def test_a_cancelled_job_is_gone_with_all_its_processes(gpuqd: Gpuqd) -> None:
    job = gpuqd.reaches(gpuqd.enqueue(ENDLESS), "RUNNING")

    gpuqd.client.cancel(job["id"])
    ended = gpuqd.ended(job["id"])

    assert (ended["state"], ended["exit_code"]) == ("CANCELLED", 143)
    assert not is_alive(job["driver_pid"])
    assert all(node["free_gpus"] == node["gpus"] for node in gpuqd.client.cluster()["nodes"])


def test_a_job_cancelled_before_it_starts_never_runs(gpuqd: Gpuqd) -> None:
    first = gpuqd.enqueue(ENDLESS, workers=2)
    second = gpuqd.enqueue(QUICK, workers=2)

    cancelled = gpuqd.client.cancel(second)
    gpuqd.client.cancel(first)

    assert cancelled["state"] == "CANCELLED"
    assert cancelled["attempt"] == 0
    gpuqd.ended(first)


def test_a_job_that_never_ends_is_ended_at_its_limit(gpuqd: Gpuqd) -> None:
    job = gpuqd.ended(gpuqd.enqueue(ENDLESS, time_limit_s=1))

    assert (job["state"], job["exit_code"]) == ("TIMEOUT", 124)
    assert job["ended_at"] - job["started_at"] >= 1


def test_a_killed_driver_fails_the_job_with_the_signal(gpuqd: Gpuqd) -> None:
    job = gpuqd.reaches(gpuqd.enqueue(ENDLESS), "RUNNING")

    os.kill(job["driver_pid"], signal.SIGKILL)

    ended = gpuqd.ended(job["id"])
    assert (ended["state"], ended["exit_code"]) == ("FAILED", 137)
    assert "signal 9" in ended["error"]


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"workers": 0}, "at least 1 worker"),
        ({"gpus_per_worker": -3}, "asks for -3"),
        ({"workers": 64}, "asks for 64 GPUs, the cluster has 2 virtual GPUs"),
        ({"gpus_per_worker": 2}, "the largest node"),
        ({"name": "a\nb"}, "control characters"),
        ({"name": "\x1b[31mred"}, "control characters"),
        ({"name": ""}, "control characters or nothing"),
        ({"name": "x" * 129}, "129 characters"),
        ({"script_name": "../x.py"}, "plain file name"),
        ({"partition": "gone\x1b"}, "no partition `gone\\x1b`"),
        ({"time_limit_s": 0}, "time limit"),
        ({"script": "x = 1"}, "no `main_fun`"),
        ({"script": "def f(:"}, "syntax error in line 1"),
        ({"script": "#" * 1_100_000 + "\ndef main_fun(a, c): pass"}, "1.0 MiB"),
        ({"script": "#" * 10_000_000}, "larger than"),
        ({"workers": "two"}, "workers"),
    ],
)
def test_bad_input_is_refused_in_one_sentence_and_queues_nothing(
    gpuqd: Gpuqd, spec: dict[str, object], says: str
) -> None:
    before = len(gpuqd.client.jobs(everything=True))

    with pytest.raises(UsageError, match=None) as refused:
        gpuqd.client.enqueue({"script_name": "job.py", "script": QUICK, **spec})

    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
    assert len(gpuqd.client.jobs(everything=True)) == before


def test_unknown_jobs_and_ranks_are_named(gpuqd: Gpuqd) -> None:
    job = gpuqd.ended(gpuqd.enqueue(QUICK))

    with pytest.raises(NotFoundError, match="no job 999999"):
        gpuqd.client.job(999999)
    with pytest.raises(NotFoundError, match="no rank 5"):
        gpuqd.client.logs(job["id"], rank=5)


def test_a_job_outlives_a_killed_gpuqd_and_its_end_is_found() -> None:
    with plain_gpuqd() as gpuqd:
        running = gpuqd.reaches(gpuqd.enqueue(ENDLESS), "RUNNING")
        short = gpuqd.enqueue("import time\ndef main_fun(args, ctx):\n    time.sleep(1)\n    print('done')\n")
        gpuqd.reaches(short, "RUNNING")
        waiting = gpuqd.enqueue(QUICK, workers=2)
        gpuqd.kill()
        pid = running["driver_pid"]
        exit_file = gpuqd.folder / "attempts" / str(short) / "1" / "exit.json"
        until(exit_file.exists, timeout_s=30, what="the end of the short job")
        assert is_alive(pid)

        gpuqd.start()

        ended = gpuqd.ended(short)
        assert ended["state"] == "COMPLETED"
        assert ended["attempt"] == 1
        assert ended["ended_at"] <= exit_file.stat().st_mtime + 0.5
        assert gpuqd.client.job(running["id"])["state"] == "RUNNING"
        assert gpuqd.client.job(waiting)["state"] == "PENDING"
        gpuqd.client.cancel(running["id"])
        assert gpuqd.ended(waiting)["state"] == "COMPLETED"
        assert not is_alive(pid)


def test_a_second_gpuqd_on_the_same_state_is_refused(gpuqd: Gpuqd) -> None:
    import subprocess
    import sys

    second = subprocess.run(
        [sys.executable, "-m", "gpuq_daemon", "serve", "--config", str(gpuqd.config)],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert second.returncode == 2
    assert second.stderr.startswith("gpuqd: Another gpuqd (pid ")
    assert second.stderr.count("\n") == 1
