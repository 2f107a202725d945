"""What somebody new types and sees: what has not started, what is no script, what has another name elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gpuq.cli.following import wait_for_start
from gpuq.cli.views.job import job_lines
from gpuq.cli.views.queue import comment, elapsed_s, queue_lines
from gpuq.client import Client
from gpuq.models import JobState, Reason, Why
from gpuq.summaries import SeriesKind
from tests.cli.conftest import Gpuq
from tests.support.fake_daemon import FakeDaemon, Script, a_curve, a_job, a_log, as_json

CLUSTER: dict[str, Any] = {"nodes": [], "engine_message": None}


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A script that can be queued."""
    path = tmp_path / "train.py"
    path.write_text("def main_fun(args, ctx):\n    pass\n")
    return path


def a_why(**named: Any) -> Why:
    """Return why job 12 waits for GPUs, but for what is named."""
    plain: dict[str, Any] = {
        "job_id": 12,
        "state": JobState.PENDING,
        "reason": Reason.RESOURCES,
        "text": "needs 2 GPUs, 0 of 2 free.",
        "needs_gpus": 2,
        "free_gpus": 0,
        "total_gpus": 2,
    }
    return Why(**(plain | named))


STARTING = a_why(state=JobState.CONFIGURING, reason=None, text="is starting on node-1: 0 of 1 ranks reserved.")


def test_a_job_that_never_started_has_no_time() -> None:
    cancelled = as_json(a_job(state=JobState.CANCELLED, ended_at=1_500.0))

    assert elapsed_s(cancelled, 2_000.0) is None
    assert queue_lines([cancelled], CLUSTER, 2_000.0, width=None)[-1].split()[5:] == ["-"]
    assert elapsed_s(as_json(a_job()), 1_700.0) == 700.0


def test_an_error_is_cut_in_the_table_everywhere_and_whole_in_show() -> None:
    job = as_json(a_job(state=JobState.FAILED, exit_code=1, error="x" * 500))

    assert comment(job, CLUSTER) == "exit 1: " + "x" * 99 + "…"
    assert "x" * 500 in "\n".join(job_lines(job, 0.0))


def test_show_says_where_the_files_are() -> None:
    job = as_json(a_job(log_uri="file:///jobs/12/logs")) | {"checkpoint_uri": "file:///jobs/12/checkpoints"}

    lines = job_lines(job, 0.0)

    assert "Files        file:///jobs/12/logs" in lines
    assert "Checkpoints  file:///jobs/12/checkpoints" in lines


def test_json_alone_is_my_jobs(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    daemon.answers["GET /v1/jobs"] = {"jobs": [a_job()]}

    assert json.loads(gpuq("--json").out) == [as_json(a_job())]
    assert daemon.asked[0][2].keys() == {"user"}
    assert "`gpuq queue --json`" in gpuq("--json", "queue").err


def test_each_reason_to_wait_is_said_once_and_the_start(daemon: FakeDaemon, capfd: pytest.CaptureFixture[str]) -> None:
    behind = a_why(reason=Reason.PRIORITY, text="1 job is ahead.")
    daemon.answers["GET /v1/jobs/12/why"] = Script([a_why(reason=None), a_why(), a_why(), behind, a_why(), STARTING])
    slept: list[float] = []

    wait_for_start(Client(), as_json(a_job()), sleep=slept.append)

    assert capfd.readouterr().err.splitlines() == [
        "gpuq: Job 12 waits (Resources): needs 2 GPUs, 0 of 2 free.",
        "gpuq: Job 12 waits (Priority): 1 job is ahead.",
        "gpuq: Job 12 is starting on node-1: 0 of 1 ranks reserved.",
    ]
    assert len(slept) == 5


def test_a_log_that_is_not_there_yet_is_explained(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    daemon.answers |= {
        "GET /v1/jobs/12": a_job(),
        "GET /v1/jobs/12/why": a_why(),
        "GET /v1/jobs/12/logs": a_log(""),
        "GET /v1/jobs/13": a_job(id=13, state=JobState.CANCELLED, ended_at=1_500.0),
    }

    assert gpuq("logs", "12").err == "gpuq: Job 12 waits (Resources): needs 2 GPUs, 0 of 2 free.\n"
    assert gpuq("logs", "13").err == "gpuq: Job 13 ended before it started, so it has no log.\n"
    daemon.answers["GET /v1/jobs/12/why"] = STARTING
    assert gpuq("logs", "12", "-f").err == "gpuq: Job 12 is starting on node-1: 0 of 1 ranks reserved.\n"


@pytest.mark.parametrize(("failed_rank", "count"), [(0, 1), (1, 2)])
def test_a_traceback_that_was_followed_is_not_said_again(
    daemon: FakeDaemon, gpuq: Gpuq, script: Path, failed_rank: int, count: int
) -> None:
    ended = a_job(state=JobState.FAILED, error="no", error_tail=("Traceback",), failed_rank=failed_rank, exit_code=1)
    daemon.answers |= {
        "POST /v1/jobs": a_job(),
        "GET /v1/jobs/12/why": STARTING,
        "GET /v1/jobs/12/logs": a_log("Traceback\n"),
        "GET /v1/jobs/12/wait": ended,
    }

    done = gpuq("enqueue", "--wait", str(script))

    assert done.out.count("Traceback") == count
    assert f"Error (rank {failed_rank}): no\n" in done.out


def test_what_cannot_be_plotted_is_said(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    curve = a_curve([1.0], run="train")
    histogram = replace(curve.series, tag="weights", kind=SeriesKind.HISTOGRAM)
    daemon.answers |= {
        "GET /v1/jobs/12": a_job(),
        "GET /v1/jobs/12/series": {"series": [curve.series, histogram]},
        "GET /v1/jobs/12/curve": curve,
    }

    done = gpuq("plot", "12", "weights")
    assert done.code == 2
    assert "'weights' of job 12 is a histogram: `gpuq histogram 12 TAG` draws it." in done.err
    done = gpuq("plot", "12", "--run", "validation")
    assert (done.code, done.err) == (3, "gpuq: Job 12 has no run 'validation'; it has train.\n")
    assert gpuq("plot", "12", "--run", "train").code == 0


def test_the_title_names_the_jobs_and_their_one_tag(daemon: FakeDaemon, gpuq: Gpuq) -> None:
    for job_id in (12, 13):
        curve = a_curve([2.0, 1.0], job_id=job_id)
        daemon.answers |= {
            f"GET /v1/jobs/{job_id}/series": {"series": [curve.series]},
            f"GET /v1/jobs/{job_id}/curve": curve,
        }

    assert "jobs 12, 13: loss" in gpuq("plot", "12", "13", "loss").out.splitlines()[0]


@pytest.mark.parametrize("words", [["b.py"], ["3", "--", "4"], ["b.py", "-w", "2"]])
def test_words_for_the_script_come_after_two_dashes(
    daemon: FakeDaemon, gpuq: Gpuq, script: Path, words: list[str]
) -> None:
    done = gpuq("enqueue", str(script), *words)

    assert done.code == 2
    assert done.err == (
        f"gpuq: '{words[0]}' is a word too many: one script is queued at a time, and words for it go after `--`.\n"
    )
    assert daemon.asked == []


def test_the_arguments_are_echoed(daemon: FakeDaemon, gpuq: Gpuq, script: Path) -> None:
    daemon.answers["POST /v1/jobs"] = a_job(args=("--note", "a b"))

    done = gpuq("enqueue", str(script), "--", "--note", "a b")

    assert done.out == "Queued job 12 (digits_sync): 2 workers x 1 GPU, with --note 'a b'.\n"
    assert daemon.asked[0][3]["args"] == ["--note", "a b"]


def test_on_a_terminal_the_next_command_is_named(daemon: FakeDaemon, script: Path) -> None:
    daemon.answers["POST /v1/jobs"] = a_job()
    ours, theirs = os.openpty()
    code = "import sys; from gpuq.cli import main; sys.exit(main(sys.argv[1:]))"
    subprocess.run([sys.executable, "-c", code, "enqueue", str(script)], stdout=theirs, check=True)
    os.close(theirs)

    said = os.read(ours, 4096).decode()
    os.close(ours)

    assert said.splitlines()[1:] == ["Follow it: gpuq logs -f 12"]


@pytest.mark.parametrize(
    ("name", "text"),
    [("job.sh", "echo hello\n"), ("job", "#!/usr/bin/env bash\n#SBATCH -N 1\n"), ("job.py", "#!/bin/sh -e\nls\n")],
)
def test_a_shell_script_is_told_from_a_python_one(
    daemon: FakeDaemon, gpuq: Gpuq, tmp_path: Path, name: str, text: str
) -> None:
    (tmp_path / name).write_text(text)

    done = gpuq("enqueue", str(tmp_path / name))

    assert done.code == 2
    assert f"{name} is a shell script; give a Python script that defines `def main_fun(args, ctx):`" in done.err


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        *[([word], "queue") for word in ("ls", "ps", "status", "squeue", "sq")],
        *[([word], "cancel") for word in ("scancel", "kill", "rm")],
        *[([word], "enqueue") for word in ("submit", "sbatch")],
        (["info", "3"], "show"),
        (["sinfo"], "nodes"),
        (["sacct"], "history"),
        (["log", "3"], "logs"),
        (["enqueue", "--gpus", "2", "a.py"], "--gpus-per-worker"),
        (["enqueue", "-n", "2", "a.py"], "--workers"),
    ],
)
def test_names_from_elsewhere_are_understood(gpuq: Gpuq, words: list[str], meant: str) -> None:
    done = gpuq(*words)

    assert done.code == 2
    assert f"did you mean {meant}?" in done.err
