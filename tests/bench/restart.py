"""What a full queue costs: gpuqd's start until it serves, its memory, `gpuq queue` of all of it, and the tab key."""

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
_LISTED = {"gpuq queue": {10_000: 80}, "gpuq queue --json": {10_000: 60}}
_TAB_PENDING = (10_000,)
_TAB_MS = 60
_ROUNDS = 9
_GPUQ = [sys.executable, "-c", "import sys; from gpuq.cli import main; sys.exit(main())"]
_TABS = {"a job": ("cancel", "1"), "an account": ("queue", "-A", ""), "a tag": ("plot", "1", ""), "a verb": ("ca",)}


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
            listed = [
                row for line in _LISTED for row in _asked(daemon, f"{line}, {what}", aim=_LISTED[line].get(pending))
            ]
            after = rss_mib(_pid(daemon))
            if pending in _TAB_PENDING:
                for kind, words in _TABS.items():
                    listed += _asked(daemon, f"tab for {kind}, {what}", typed=words, aim=_TAB_MS)
    most = _MEMORY_MB.get(pending)
    return [
        Row(name=f"restart, {what}: serves", value=serves, unit="s", aim=_aim(_SERVES_WITHIN_S.get(pending))),
        Row(name=f"restart, {what}: gpuqd's CPU", value=used, unit="CPU s"),
        Row(name=f"memory, {what}: after the start", value=memory * 1.048576, unit="MB", aim=_aim(most)),
        Row(name=f"memory, {what}: all listed", value=after * 1.048576, unit="MB", aim=_aim(most)),
        *listed,
    ]


def _asked(daemon: Gpuqd, name: str, *, typed: tuple[str, ...] = (), aim: float | None = None) -> list[Row]:
    """Return how long a line took, or the tab key behind what is `typed`, and the CPU time of gpuq and of gpuqd for it.

    The first time, when gpuqd makes what it keeps then, does not count.
    """
    env = {**os.environ, "GPUQ_SOCKET": daemon.client.path}
    argv = [*_GPUQ, *name.split(",")[0].split()[1:]]
    if typed:
        argv = _GPUQ
        env |= {
            "_GPUQ_COMPLETE": "bash_complete",
            "COMP_WORDS": "\n".join(("gpuq", *typed)),
            "COMP_CWORD": str(len(typed)),
        }
    wall: list[float] = []
    before = (0.0, 0.0)
    for number in range(_ROUNDS + 1):
        if number == 1:
            before = _children_s(), cpu_s(_pid(daemon))
        began = time.perf_counter()
        subprocess.run(argv, env=env, stdout=subprocess.DEVNULL, check=True)
        wall.append(time.perf_counter() - began)
    client, gpuqd = _children_s() - before[0], cpu_s(_pid(daemon)) - before[1]
    return [
        Row(name=f"{name}: whole process", value=quantile(wall[1:], 0.5) * 1e3, unit="ms", aim=_aim(aim)),
        Row(name=f"{name}: its CPU", value=client / _ROUNDS * 1e3, unit="CPU ms"),
        Row(name=f"{name}: gpuqd's CPU", value=gpuqd / _ROUNDS * 1e3, unit="CPU ms"),
    ]


def _children_s() -> float:
    """Return the CPU time of this process's children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _aim(most: float | None) -> str | None:
    return None if most is None else f"<= {most:g}"


def _pid(daemon: Gpuqd) -> int:
    assert daemon.process is not None
    return daemon.process.pid
