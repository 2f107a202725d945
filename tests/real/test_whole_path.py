"""What a user does and what can go wrong, on the real thing from the command to TensorFlow and back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gpuq.client_admin import AdminClient
from gpuq_daemon import processes
from gpuq_daemon.collectors.event_files import EventFileFollower
from gpuq_daemon.files.local import LocalFiles
from tests.support.daemon import Gpuqd, until

SAMPLES = Path(__file__).resolve().parents[2] / "sample_jobs"
Run = Callable[..., subprocess.CompletedProcess[str]]
pytestmark = [pytest.mark.spark, pytest.mark.timeout(600)]


def queued(run_gpuq: Run, script: Path, *words: str) -> int:
    done = run_gpuq(
        "enqueue",
        "--json",
        *words[: words.index("--")] if "--" in words else words,
        str(script),
        *(words[words.index("--") :] if "--" in words else ()),
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["id"]


def token_of(gpuqd: Gpuqd, job_id: int) -> str:
    """Return what marks the attempt's processes."""
    launch = gpuqd.folder / "attempts" / str(job_id) / "1" / "launch.json"
    return json.loads(launch.read_text())["env"][processes.MARKER]


def assert_nothing_is_left(gpuqd: Gpuqd, job_id: int) -> None:
    assert processes.marked(token_of(gpuqd, job_id)) == ()
    assert all(node["free_gpus"] == node["gpus"] for node in gpuqd.client.cluster()["nodes"])
    assert not any((gpuqd.folder / "s").iterdir())


def test_a_failing_rank_ends_the_job_with_its_exit_code_and_last_words(gpuqd: Gpuqd, run_gpuq: Run) -> None:
    done = run_gpuq("enqueue", "--wait", str(SAMPLES / "digits_fails.py"), "--", "--exit", "3")
    job = gpuqd.client.jobs(everything=True)[-1]

    assert done.returncode == 3
    assert (job["state"], job["exit_code"], job["failed_rank"]) == ("FAILED", 3, 1)
    assert "giving up with exit code 3" in job["error_tail"][-1]
    assert "giving up with exit code 3" in run_gpuq("logs", str(job["id"])).stdout
    assert "giving up with exit code 3" in run_gpuq("logs", str(job["id"]), "--stdout").stdout
    assert "giving up with exit code 3" not in run_gpuq("logs", str(job["id"]), "--stderr").stdout
    assert_nothing_is_left(gpuqd, job["id"])


def test_a_script_is_frozen_when_it_is_queued(gpuqd: Gpuqd, run_gpuq: Run, tmp_path: Path) -> None:
    script = tmp_path / "frozen.py"
    script.write_text("def main_fun(args, ctx):\n    print('as it was queued')\n")
    job_id = queued(run_gpuq, script)
    script.write_text("def main_fun(args, ctx):\n    print('edited later')\n")

    job = gpuqd.ended(job_id, timeout_s=200)

    assert job["state"] == "COMPLETED"
    assert run_gpuq("logs", str(job_id)).stdout.endswith("as it was queued\n")


def test_a_job_that_never_ends_is_ended_at_its_limit(gpuqd: Gpuqd, run_gpuq: Run) -> None:
    job_id = queued(run_gpuq, SAMPLES / "sleeper.py", "--time", "00:01:00", "--signal", "55")

    job = gpuqd.ended(job_id, timeout_s=200)

    assert (job["state"], job["exit_code"]) == ("TIMEOUT", 124)
    assert "gpuq: asked to stop soon (time limit)" in run_gpuq("logs", str(job_id)).stdout
    assert run_gpuq("wait", str(job_id)).returncode == 124
    assert_nothing_is_left(gpuqd, job_id)


def test_a_training_is_stopped_for_another_and_goes_on_from_its_checkpoint(gpuqd: Gpuqd, run_gpuq: Run) -> None:
    """The other one is cancelled: that is gone within seconds."""
    written = gpuqd.config.read_text()
    gpuqd.config.write_text(f"{written}\n[scheduler]\npreemption = true\nleast_run_s = 0\nsmall_patience_s = 0\n")
    AdminClient(gpuqd.client.path).reload()
    job_id = queued(run_gpuq, SAMPLES / "digits_resumed.py", "--", "--epochs", "2000", "--save-every", "1000000")
    until(lambda: bool(gpuqd.client.series(job_id)), timeout_s=200, what="a first point")
    stacks = run_gpuq("stacks", str(job_id))
    assert stacks.returncode == 0, stacks.stderr
    assert "in main_fun" in stacks.stdout

    other = queued(run_gpuq, SAMPLES / "sleeper.py", "--workers", "2")
    gpuqd.client.move_to_top(other)
    gpuqd.reaches(other, "RUNNING", timeout_s=200)
    assert gpuqd.client.job(job_id)["state"] == "PENDING"
    before = time.monotonic()
    assert run_gpuq("cancel", str(other)).returncode == 0
    cancelled = gpuqd.ended(other)
    took = time.monotonic() - before
    job = gpuqd.ended(job_id, timeout_s=300)

    gpuqd.config.write_text(written)
    AdminClient(gpuqd.client.path).reload()
    assert cancelled["state"] == "CANCELLED"
    assert took < 15, "5 s is the aim on a quiet machine; a busy one may take longer"
    assert_nothing_is_left(gpuqd, other)
    assert (job["state"], job["attempt"], job["retried"]) == ("COMPLETED", 2, 0)
    log = run_gpuq("logs", str(job_id)).stdout
    saved = int(log.partition("goes on after epoch ")[2].split()[0])
    assert 0 < saved < 2000
    first, second = (steps_and_losses(gpuqd, job_id, attempt) for attempt in (1, 2))
    assert (first[-1][0], second[0][0], second[-1][0]) == (saved, saved + 1, 2000), "no step twice, none left out"
    assert second[0][1] < first[0][1] / 2, "it has not begun to learn anew"
    assert second[0][1] == pytest.approx(first[-1][1], rel=0.2)


def steps_and_losses(gpuqd: Gpuqd, job_id: int, attempt: int) -> list[tuple[int, float]]:
    """Return what the event files of one attempt hold, as they are on the disk."""
    folder = gpuqd.folder / "jobs" / str(job_id) / str(attempt) / "events"
    batch = EventFileFollower(job_id, attempt, LocalFiles(folder), {}).poll(64 * 1024 * 1024)
    (loss,) = [points for key, points in batch.scalars.items() if key.tag == "loss"]
    return [(step, value) for step, _, value in loss]


@pytest.mark.parametrize("drained", ["embedded-1", "embedded-2"])
def test_spark_puts_a_job_where_the_plan_says_and_nowhere_else(gpuqd: Gpuqd, run_gpuq: Run, drained: str) -> None:
    assert run_gpuq("admin", "node", "drain", drained, "--reason", "fan").returncode == 0
    job_id = queued(run_gpuq, SAMPLES / "sleeper.py")

    job = gpuqd.reaches(job_id, "RUNNING", timeout_s=200)

    assert run_gpuq("admin", "node", "resume", drained).returncode == 0
    run_gpuq("cancel", str(job_id))
    gpuqd.ended(job_id)
    (other,) = {"embedded-1", "embedded-2"} - {drained}
    assert [rank["node"] for rank in job["ranks"]] == [other]
    assert job["nodes"] == [other]


def test_a_killed_driver_leaves_nothing_behind(gpuqd: Gpuqd, run_gpuq: Run) -> None:
    job_id = queued(run_gpuq, SAMPLES / "sleeper.py", "--workers", "2")
    job = gpuqd.reaches(job_id, "RUNNING", timeout_s=200)

    os.kill(job["driver_pid"], signal.SIGKILL)

    job = gpuqd.ended(job_id, timeout_s=60)
    assert job["state"] == "FAILED"
    assert job["exit_code"] != 0
    assert_nothing_is_left(gpuqd, job_id)


def test_a_job_trains_on_while_gpuqd_is_killed_and_its_points_are_complete(gpuqd: Gpuqd, run_gpuq: Run) -> None:
    epochs = 120
    job_id = queued(run_gpuq, SAMPLES / "digits_sync.py", "--", "--epochs", str(epochs))
    until(lambda: gpuqd.client.job(job_id)["progress"] is not None, timeout_s=200, what="a first point")
    gpuqd.kill()
    said = gpuqd.folder / "jobs" / str(job_id) / "1" / "logs" / "rank-0.log"
    size = said.stat().st_size
    until(lambda: said.stat().st_size > size, timeout_s=100, what="training without gpuqd")

    gpuqd.start()
    job = gpuqd.ended(job_id, timeout_s=200)

    assert (job["state"], job["attempt"]) == ("COMPLETED", 1)
    (loss,) = [s for s in gpuqd.client.series(job_id) if s["tag"] == "loss"]
    assert loss["count"] == loss["last_step"] - loss["first_step"] + 1
    assert f"epoch {epochs}/{epochs}  step {loss['last_step']}" in run_gpuq("logs", str(job_id)).stdout
    assert {s["kind"] for s in gpuqd.client.series(job_id)} == {"scalar", "histogram"}
    assert any((gpuqd.folder / "jobs" / str(job_id) / "checkpoints").iterdir())
    plotted = run_gpuq("plot", str(job_id), "loss")
    assert f"last {loss['last_value']:.4g}" in plotted.stdout
    assert_nothing_is_left(gpuqd, job_id)


def test_the_demo_trains_two_jobs_one_after_the_other_and_leaves_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gpuq_daemon", "demo"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "job 2 waits: needs 2 virtual GPUs (2 x 1), 0 of 2 free: job 1 (" in done.stdout
    assert "job 1 loss " in done.stdout
    assert done.stdout.count("test accuracy 0.9") == 2
    assert "Both jobs have learned." in done.stdout
    folder = done.stdout.partition("a Spark of its own in ")[2].split()[0]
    assert not Path(folder).exists()
    assert not [pid for pid in os.listdir("/proc") if pid.isdecimal() and folder in command_line(pid)]


def command_line(pid: str) -> str:
    try:
        return (Path("/proc") / pid / "cmdline").read_text(errors="replace")
    except OSError:
        return ""
