"""Ends what is left of an attempt on this machine: its processes, whoever their parents are."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Collection
from pathlib import Path

from gpuq_daemon import processes
from gpuq_daemon.processes import ProcessId

_POLL_S = 0.02


def kill_marked(
    token: str,
    *,
    wait_s: float,
    marker: str = processes.MARKER,
    log_folder: Path | None = None,
    work_folders: Collection[Path] = (),
) -> int:
    """Kill all processes with a mark, their children and strays; return how many live after at most `wait_s`."""
    remaining: set[ProcessId] = set()

    def are_gone() -> bool:
        found = processes.marked(token, marker=marker)
        remaining.update(processes.strays(log_folder, work_folders))
        remaining.update(found, processes.descendants([process.pid for process in found]))
        remaining.intersection_update([process for process in remaining if processes.is_alive(process)])
        for process in remaining:
            processes.send_signal(process, signal.SIGKILL)
        return not remaining

    wait_until(are_gone, wait_s)
    return len(remaining)


def warn_marked(token: str, pids: Collection[int]) -> int:
    """Send SIGUSR1 to those of the processes with a mark that have one of the pids; return to how many."""
    return sum(processes.send_signal(p, signal.SIGUSR1) for p in processes.marked(token) if p.pid in pids)


def wait_until(claim: Callable[[], bool], wait_s: float) -> bool:
    """Ask again and again until the claim is true; return whether it became so within `wait_s`."""
    deadline = time.monotonic() + wait_s
    while not claim():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_S)
    return True
