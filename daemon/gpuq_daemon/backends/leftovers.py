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
    uid: int | None = None,
) -> int:
    """Kill all processes of a user with a mark, their children and strays; return how many may live after `wait_s`.

    `uid` None is the user that gpuqd runs as; of others nothing is killed but what descends from those.
    """
    remaining: set[ProcessId] = set()

    def are_gone() -> bool:
        if any(processes.is_alive(process) for process in remaining):
            return False  # to look at all processes again costs more than the rest of the end
        remaining.clear()
        found = processes.marked(token, marker=marker, uid=uid)
        strays = processes.strays(log_folder, work_folders, uid=uid) if log_folder or work_folders else ()
        remaining.update(found, processes.descendants([process.pid for process in found]), strays)
        remaining.intersection_update([process for process in remaining if processes.is_alive(process)])
        for process in remaining:
            processes.send_signal(process, signal.SIGKILL)
        return not remaining

    wait_until(are_gone, wait_s)
    return len(remaining)


def signal_marked(token: str, pid: int, number: int, *, uid: int | None = None) -> bool:
    """Send a signal to that process of a user's with a mark; return whether it was there."""
    return any(processes.send_signal(one, number) for one in processes.marked(token, uid=uid) if one.pid == pid)


def wait_until(claim: Callable[[], bool], wait_s: float) -> bool:
    """Ask again and again until the claim is true; return whether it became so within `wait_s`."""
    deadline = time.monotonic() + wait_s
    while not claim():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_S)
    return True
