"""What a full queue costs: gpuqd's start until it serves, its memory, and `gpuq queue` of all of it."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time

from tests.bench.loaded import fill, folder_of_a_daemon, serving
from tests.bench.rows import Row, cpu_s, quantile, rss_mib
from tests.support.daemon import Gpuqd

_PENDING = [int(number) for number in os.environ.get("BENCH_RESTART", "0,10000,100000").split(",")]
_SERVES_WITHIN_S = {10_000: 0.9, 100_000: 3.0}
_MEMORY_MB = {0: 60, 10_000: 100}
_LISTED_MS = {10_000: 60}
_ROUNDS = 7
_COMMAND = [sys.executable, "-c", "import sys; from gpuq.cli import main; sys.exit(main())", "queue", "--json"]


def measure() -> list[Row]:
    """Return time, CPU and memory by how many jobs wait."""
    return [row for pending in _PENDING for row in _with(pending)]


def _with(pending: int) -> list[Row]:
    what = f"{pending} pending"
    with folder_of_a_daemon() as folder:
        fill(folder, pending, hold=True)
        began = time.perf_counter()
        with serving(folder) as daemon:
            serves = time.perf_counter() - began
            used, memory = cpu_s(_pid(daemon)), rss_mib(_pid(daemon))
            listed = [_listed(daemon) for _ in range(_ROUNDS)]
            after = rss_mib(_pid(daemon))
    most = _MEMORY_MB.get(pending)
    return [
        Row(name=f"restart, {what}: serves", value=serves, unit="s", aim=_aim(_SERVES_WITHIN_S.get(pending))),
        Row(name=f"restart, {what}: gpuqd's CPU", value=used, unit="CPU s"),
        Row(name=f"memory, {what}: after the start", value=memory * 1.048576, unit="MB", aim=_aim(most)),
        Row(name=f"memory, {what}: all listed", value=after * 1.048576, unit="MB", aim=_aim(most)),
        Row(
            name=f"gpuq queue --json, {what}: whole process",
            value=quantile([wall for wall, _ in listed], 0.5) * 1e3,
            unit="ms",
            aim=_aim(_LISTED_MS.get(pending)),
        ),
        Row(
            name=f"gpuq queue --json, {what}: its CPU",
            value=quantile([cpu for _, cpu in listed], 0.5) * 1e3,
            unit="CPU ms",
        ),
    ]


def _listed(daemon: Gpuqd) -> tuple[float, float]:
    """Return how long `gpuq queue --json` took, and its CPU time."""
    env = {**os.environ, "GPUQ_SOCKET": daemon.client.path}
    before, began = _children_s(), time.perf_counter()
    subprocess.run(_COMMAND, env=env, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began, _children_s() - before


def _children_s() -> float:
    """Return the CPU time of this process's children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _aim(most: float | None) -> str | None:
    return None if most is None else f"<= {most:g}"


def _pid(daemon: Gpuqd) -> int:
    assert daemon.process is not None
    return daemon.process.pid
