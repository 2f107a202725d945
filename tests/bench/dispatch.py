"""How many jobs a second start and end where the engine takes no time: the scheduler, the courses and the commits."""

from __future__ import annotations

import os
import sqlite3
import sys
from pathlib import Path

from tests.bench.enqueue import fsync_ms
from tests.bench.loaded import fill, folder_of_a_daemon
from tests.bench.rows import Row, cpu_s
from tests.support.daemon import Gpuqd, until

_JOBS = int(os.environ.get("BENCH_DISPATCH", "4000"))
_NODES, _GPUS = 64, 8


def measure() -> list[Row]:
    """Return jobs a second from the first start to the last end, of a queue that was full at the start."""
    with folder_of_a_daemon() as folder:
        fill(folder, _JOBS)
        config = folder / "gpuqd.toml"
        argv = [sys.executable, "-m", "tests.bench.null_engine", str(config), str(_NODES), str(_GPUS)]
        fsync = fsync_ms(folder / "probe")
        daemon = Gpuqd(folder, config, argv).start()
        assert daemon.process is not None
        try:
            until(lambda: _ended(folder) == _JOBS, timeout_s=600, what="the end of all jobs", log=folder / "gpuqd.log")
            used = cpu_s(daemon.process.pid)
        finally:
            daemon.stop()
        seconds = _seconds(folder)
    return [
        Row(name=f"dispatch: {_JOBS} jobs, null engine", value=_JOBS / seconds, unit="jobs/s", aim=">= 500"),
        Row(name="dispatch: gpuqd's CPU a job, its start included", value=used / _JOBS * 1e6, unit="CPU us"),
        Row(name="dispatch: one write and fsync on this disk, p50", value=fsync, unit="ms"),
    ]


def _ended(folder: Path) -> float:
    return _asked(folder, "SELECT count(*) FROM jobs WHERE state = 'COMPLETED'")


def _seconds(folder: Path) -> float:
    return _asked(folder, "SELECT max(ended_at) - min(started_at) FROM attempts")


def _asked(folder: Path, sql: str) -> float:
    with sqlite3.connect(folder / "state.db") as database:
        return database.execute(sql).fetchone()[0]
