"""How long an enqueue takes until it is acknowledged as durable, and what the daemon costs at rest."""

from __future__ import annotations

import os
import time
from pathlib import Path

from tests.bench.rows import Row, cpu_s, quantile, rss_mib, times_ms
from tests.support.daemon import plain_gpuqd

_SCRIPT = "def main_fun(args, ctx):\n    import time\n    while True: time.sleep(1)\n"
_JOBS = 500
_REST_S = 20.0


def measure() -> list[Row]:
    """Return the round trip of an enqueue, and memory and CPU of a daemon that has nothing to do."""
    with plain_gpuqd() as daemon:
        assert daemon.process is not None
        time.sleep(1)
        used, memory = cpu_s(daemon.process.pid), rss_mib(daemon.process.pid)
        time.sleep(_REST_S)
        idle = (cpu_s(daemon.process.pid) - used) / _REST_S * 100
        blocker = daemon.enqueue(_SCRIPT, workers=2)
        daemon.reaches(blocker, "RUNNING")
        fsync = fsync_ms(daemon.folder / "probe")
        before = cpu_s(daemon.process.pid)
        taken = times_ms(lambda: daemon.enqueue(_SCRIPT, workers=2), _JOBS)
        cpu = (cpu_s(daemon.process.pid) - before) / _JOBS * 1000
        for job in daemon.client.jobs():
            daemon.client.cancel(job["id"])
    return [
        Row(name="enqueue, acknowledged: p50", value=quantile(taken, 0.5), unit="ms", aim="<= 3"),
        Row(name="enqueue, acknowledged: p95", value=quantile(taken, 0.95), unit="ms"),
        Row(name="enqueue, the daemon's CPU", value=cpu, unit="CPU ms"),
        Row(name="one write and fsync on this disk: p50", value=fsync, unit="ms"),
        Row(name="gpuqd idle: memory", value=memory, unit="MiB", aim="<= 60"),
        Row(name="gpuqd idle: CPU", value=idle, unit="% of a core", aim="<= 0.5"),
    ]


def fsync_ms(path: Path) -> float:
    """Return how long a small write with fsync takes on this disk: the median of 100."""
    return quantile(times_ms(lambda: _synced(path), 100), 0.5)


def _synced(path: Path) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        os.write(file, b"x" * 4096)
        os.fsync(file)
    finally:
        os.close(file)
