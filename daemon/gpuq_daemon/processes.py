"""Processes as a restarted daemon can still tell them apart: by pid, start time and boot.

A pid alone is handed out again; with the kernel's start time and boot id it names one process for ever.
Everything here reads Linux's /proc, in bounded pieces, and takes a process that vanishes meanwhile for gone.

Source: proc(5), pidfd_open(2).
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

MARKER = "GPUQ_ATTEMPT"
_PROC = Path("/proc")
_UIDS = re.compile(rb"^Uid:\t(\d+)\t(\d+)\t(\d+)", re.MULTILINE)
_MAX_ENVIRON = 4 * 1024 * 1024  # words and environment together have 2 MiB by default


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessId:
    """One process, unmistakable over reuse of its pid and over reboots.

    `start_time` is in clock ticks since boot (field 22 of /proc/pid/stat).
    """

    pid: int
    start_time: int
    boot_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stat:
    state: str
    parent: int
    terminal: int
    start_time: int


def boot_id() -> str:
    """Return the kernel's name of the present boot."""
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


def identify(pid: int) -> ProcessId | None:
    """Return who has this pid now, or None if nobody does (a zombie counts as nobody)."""
    stat = _stat(pid)
    if stat is None or stat.state in "ZX":
        return None
    return ProcessId(pid=pid, start_time=stat.start_time, boot_id=boot_id())


def is_alive(process: ProcessId) -> bool:
    """Whether exactly this process still runs; a zombie does not."""
    return identify(process.pid) == process


def claimed_by(claim: str) -> ProcessId | None:
    """Return the process that a shim's claim names ("pid start_time boot_id"), if it lives."""
    match claim.split():
        case [pid, start_time, boot] if pid.isdecimal() and start_time.isdecimal():
            found = ProcessId(pid=int(pid), start_time=int(start_time), boot_id=boot)
            return found if is_alive(found) else None
        case _:
            return None


def open_pidfd(process: ProcessId) -> int:
    """Return a pidfd that refers to exactly this process; the caller closes it.

    Raises:
        ProcessLookupError: it is gone.
    """
    descriptor = os.pidfd_open(process.pid)
    if is_alive(process):  # checked after opening: from here on the descriptor cannot mean another process
        return descriptor
    os.close(descriptor)
    raise ProcessLookupError(f"process {process.pid} is gone")


def send_signal(process: ProcessId, number: int) -> bool:
    """Send a signal to exactly this process; return whether it was there."""
    try:
        descriptor = open_pidfd(process)
    except OSError:
        return False
    try:
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True


def marked(token: str, *, marker: str = MARKER, uid: int | None = None) -> tuple[ProcessId, ...]:
    """Return the living processes of a user whose environment holds `<marker>=<token>`, by pid.

    `uid` None is the user that this process runs as. Others' processes never count, whatever they have in their
    environment: nobody can have a neighbour's process ended, or keep a neighbour's attempt from being proven gone.
    """
    words = f"{marker}={token}".encode()
    return tuple(_such(uid, lambda pid: words in _environment(pid)))


def strays(log_folder: Path | None, work_folders: Collection[Path], *, uid: int | None = None) -> tuple[ProcessId, ...]:
    """Return a user's processes that stand in a work folder or write their output into a log folder.

    A process may have emptied its environment; where it stands and what it writes to it has inherited all the same. One
    with a terminal is somebody who looks around, and is left alone.
    """
    return tuple(_such(uid, lambda pid: _strays(pid, log_folder, work_folders)))


def descendants(pids: Collection[int]) -> tuple[ProcessId, ...]:
    """Return the living children of these processes, their children and so on; without `pids` themselves."""
    children: dict[int, list[tuple[int, int]]] = {}
    for pid in _pids():
        stat = _stat(pid)
        if stat is not None:
            children.setdefault(stat.parent, []).append((pid, stat.start_time))
    found: dict[int, int] = {}
    waiting = list(pids)
    while waiting:
        for child, start_time in children.get(waiting.pop(), ()):
            if child not in found and child not in pids:
                found[child] = start_time
                waiting.append(child)
    known = [(identify(pid), start_time) for pid, start_time in found.items()]
    return tuple(one for one, start_time in known if one is not None and one.start_time == start_time)


def _such(uid: int | None, is_meant: Callable[[int], bool]) -> Iterator[ProcessId]:
    """Give a user's processes that are meant; who they are is read before and after they are looked at."""
    wanted = os.geteuid() if uid is None else uid
    for pid in _pids():
        process = identify(pid)
        if process is not None and wanted in _users(pid) and is_meant(pid) and is_alive(process):
            yield process


def _pids() -> list[int]:
    return sorted(int(name) for name in os.listdir(_PROC) if name.isdecimal())


def _users(pid: int) -> frozenset[int]:
    """Return the real, effective and saved uid of a process: one that runs a set-uid program has several."""
    try:
        with open(_PROC / str(pid) / "status", "rb") as stream:
            text = stream.read(4096)
    except OSError:
        return frozenset()
    found = _UIDS.search(text)
    return frozenset(map(int, found.groups())) if found is not None else frozenset()


def _strays(pid: int, log_folder: Path | None, work_folders: Collection[Path]) -> bool:
    stat = _stat(pid)
    if stat is None or stat.terminal:
        return False
    stands = _link(pid, "cwd")
    if any(stands.is_relative_to(folder) for folder in work_folders):
        return True
    return log_folder is not None and any(_link(pid, f"fd/{fd}").is_relative_to(log_folder) for fd in (1, 2))


def _link(pid: int, name: str) -> Path:
    try:
        return Path(os.readlink(_PROC / str(pid) / name))
    except OSError:
        return Path("/")


def _environment(pid: int) -> frozenset[bytes]:
    try:
        with open(_PROC / str(pid) / "environ", "rb") as stream:
            return frozenset(stream.read(_MAX_ENVIRON).split(b"\0"))
    except OSError:  # gone meanwhile, or not ours to read (a set-uid program)
        return frozenset()


def _stat(pid: int) -> _Stat | None:
    try:
        with open(_PROC / str(pid) / "stat", "rb") as stream:
            text = stream.read(4096)
    except OSError:
        return None
    fields = text[text.rindex(b")") + 2 :].split()  # the name before it may hold anything
    return _Stat(
        state=fields[0].decode("ascii"), parent=int(fields[1]), terminal=int(fields[4]), start_time=int(fields[19])
    )
