"""From submit to the first training step on the embedded engine, and what gpuqd costs meanwhile."""

from __future__ import annotations

import time
from pathlib import Path

from tests.bench.rows import Row, cpu_s, rss_mib
from tests.support.daemon import Gpuqd, embedded_gpuqd, until

_SAMPLE = Path(__file__).parents[2] / "sample_jobs" / "digits_sync.py"


def measure() -> list[Row]:
    """Return the steps of one real job of two workers, and gpuqd's memory with and without it."""
    with embedded_gpuqd() as daemon:
        assert daemon.process is not None
        pid = daemon.process.pid
        time.sleep(2)
        used, memory = cpu_s(pid), rss_mib(pid)
        time.sleep(15)
        idle = (cpu_s(pid) - used) / 15 * 100
        job_id = daemon.enqueue(_SAMPLE.read_text(), workers=2, args=["--epochs", "80"])
        first = _first_step_at(daemon, job_id)
        busy = rss_mib(pid)
        job = daemon.ended(job_id, timeout_s=300)
        last = daemon.client.series(job_id)[0]["last_wall_time"]
        application = _reported(daemon, job_id, '"application"')
    begun = job["submitted_at"]
    return [
        Row(name="submit → application id", value=application - begun, unit="s"),
        Row(name="submit → main_fun begins", value=job["running_at"] - begun, unit="s"),
        Row(name="submit → first training step", value=first - begun, unit="s"),
        Row(name="last point → COMPLETED", value=job["ended_at"] - last, unit="s"),
        Row(name="gpuqd with the embedded engine, idle: memory", value=memory, unit="MiB", aim="<= 60"),
        Row(name="gpuqd with the embedded engine, idle: CPU", value=idle, unit="% of a core", aim="<= 0.5"),
        Row(name="gpuqd with one running job: memory", value=busy, unit="MiB"),
    ]


def _first_step_at(daemon: Gpuqd, job_id: int) -> float:
    """Return when TensorFlow wrote the first point, by its own clock."""
    until(lambda: daemon.client.job(job_id)["progress"] is not None, timeout_s=300, what="a point")
    series = next(s for s in daemon.client.series(job_id) if s["tag"] == "loss")
    curve = daemon.client.curve(job_id, "loss", columns=10_000)
    assert series["first_step"] == curve["steps"][0]
    return curve["wall_times"][0]


def _reported(daemon: Gpuqd, job_id: int, kind: str) -> float:
    import json

    with (daemon.folder / "jobs" / str(job_id) / "1" / "reports.jsonl").open() as file:
        return next(json.loads(line)["t"] for line in file if kind in line)
