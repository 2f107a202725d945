"""A real gpuqd whose disk fills up under it, and empties again."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from gpuq.errors import FullError
from tests.support.daemon import Gpuqd, plain_gpuqd, until
from tests.support.disk import filled, small_disk

QUICK = "def main_fun(args, ctx):\n    pass\n"
WAITS = """
import os, time
def main_fun(args, ctx):
    while not os.path.exists(args[1]):
        time.sleep(0.02)
    print("x" * 100_000)
"""


def test_running_jobs_go_on_and_service_resumes_by_itself(tmp_path: Path) -> None:
    go = tmp_path / "go"
    with small_disk(mib=16) as disk, plain_gpuqd(more="min_free_mib = 1\n", within=disk) as gpuqd:
        running = gpuqd.reaches(gpuqd.enqueue(WAITS, args=[str(go)]), "RUNNING")
        waiting = gpuqd.enqueue(QUICK, workers=2)
        with filled(disk):
            with pytest.raises(FullError) as refused:
                gpuqd.enqueue(QUICK)
            until(lambda: "MiB left" in gpuqd.client.why(waiting)["text"], timeout_s=10, what="the reason")
            go.touch()
            until((disk / "attempts" / str(running["id"]) / "1" / "exit.json").exists, timeout_s=20, what="the end")
            ended_at = time.time()
            with pytest.raises(FullError):
                gpuqd.enqueue(QUICK)
            _stays_for(2.5, gpuqd)  # several looks and passes, none of which can be written
            freed_at = time.time()

        first, second = gpuqd.ended(running["id"]), gpuqd.ended(waiting)
        third = gpuqd.ended(gpuqd.enqueue(QUICK))

        assert "\n" not in str(refused.value)
        assert "MiB left" in str(refused.value)
        assert (first["state"], first["attempt"]) == ("COMPLETED", 1)
        assert first["ended_at"] <= ended_at < freed_at - 2
        assert first["charged_gpu_s"] == pytest.approx(first["ended_at"] - first["started_at"])
        assert [(job["state"], job["attempt"]) for job in (second, third)] == [("COMPLETED", 1)] * 2
        assert [job["id"] for job in gpuqd.client.jobs(everything=True)] == [1, 2, 3]
        said = (disk / "gpuqd.log").read_text()
        assert "Traceback" not in said
        assert gpuqd.process is not None
        assert gpuqd.process.poll() is None


def _stays_for(seconds: float, gpuqd: Gpuqd) -> None:
    until_then = time.monotonic() + seconds
    until(lambda: time.monotonic() > until_then and bool(gpuqd.client.cluster()["pid"]), timeout_s=20, what="the time")
