"""In a real synchronous training the rank that the others wait for is named, and no healthy one is."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.daemon import Gpuqd, Json, until

SAMPLE = Path(__file__).resolve().parents[2] / "sample_jobs" / "digits_sync.py"
Run = Callable[..., subprocess.CompletedProcess[str]]
pytestmark = [pytest.mark.spark, pytest.mark.timeout(3600)]
_STEP = "            loss, accuracy = train_step(x, y)\n"


def a_training(gpuqd: Gpuqd, *, epochs: int, sleepy: int | None) -> int:
    """Queue the sample with two workers, each step of which takes 0.1 s of sleep: in both, or in the `sleepy` one."""
    source = SAMPLE.read_text()
    assert source.count(_STEP) == 1
    sleeps = "0.05" if sleepy is None else f"0.1 * (ctx.executor_id == {sleepy})"
    slowed = source.replace(_STEP, f"            __import__('time').sleep({sleeps})\n{_STEP}")
    return gpuqd.enqueue(slowed, name="digits", workers=2, args=["--epochs", str(epochs)])


def slow_ranks(job: Json) -> list[int]:
    return [one["rank"] for one in job["signals"] if one["kind"] == "slow-rank"]


def test_a_worker_that_sleeps_is_named_within_a_minute_everywhere(gpuqd: Gpuqd, run_gpuq: Run) -> None:
    job_id = a_training(gpuqd, epochs=1000, sleepy=1)
    until(lambda: gpuqd.client.job(job_id)["progress"] is not None, timeout_s=200, what="a first point")

    until(lambda: bool(slow_ranks(gpuqd.client.job(job_id))), timeout_s=60, what="a slow rank's name")

    said = {word: run_gpuq(word, str(job_id)).stdout for word in ("show", "why", "events")}
    queue = run_gpuq("queue").stdout
    job = gpuqd.client.job(job_id)
    gpuqd.client.cancel(job_id)
    gpuqd.ended(job_id)
    assert slow_ranks(job) == [1]
    for text in (*said.values(), queue):
        assert "ank 1 holds up the others: " in text


@pytest.mark.long
def test_ten_sleepy_workers_are_named_and_no_healthy_one(gpuqd: Gpuqd) -> None:
    """Twenty jobs, one after the other, in turn healthy, with a sleepy chief and with a sleepy worker."""
    found = list[tuple[int | None, list[int], float | None]]()
    for number in range(20):
        sleepy = None if number % 2 else (number // 2) % 2
        job_id = a_training(gpuqd, epochs=20 if sleepy is None else 12, sleepy=sleepy)
        job = gpuqd.ended(job_id, timeout_s=300)
        assert job["state"] == "COMPLETED"
        signals = [one for one in job["signals"] if one["kind"] == "slow-rank"]
        after_s = signals[0]["wall_time"] - job["running_at"] if signals else None
        found.append((sleepy, slow_ranks(job), after_s))
        print(json.dumps(found[-1]), flush=True)

    assert [ranks for _, ranks, _ in found] == [[] if sleepy is None else [sleepy] for sleepy, _, _ in found]
    assert all(after_s <= 60 for _, _, after_s in found if after_s is not None)
