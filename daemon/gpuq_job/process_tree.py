"""What a process and all that descend from it use, from /proc.

Source: proc(5): `stat` (14 to 17 are clock ticks, 22 the start, 24 pages), `task/<tid>/children`, `environ`.
"""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

MARKER = "GPUQ_ATTEMPT"
_TICKS_A_S = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_MIB = 1024 * 1024
_MOST = 1024
_LONGEST_ENVIRONMENT = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """CPU seconds so far, of children that have ended too; MiB now; the processes that these are of."""

    cpu_s: float
    memory_mib: float
    pids: frozenset[int]


def usage(pid: int) -> Usage:
    """Return what a process and its descendants use. What ends while this looks counts for nothing."""
    cpu_s, pages, known, waiting = 0.0, 0, set[int](), [pid]
    while waiting and len(known) < _MOST:
        one = waiting.pop()
        fields = _stat(one)
        if one in known or fields is None:
            continue
        known.add(one)
        cpu_s += sum(int(ticks) for ticks in fields[11:15]) / _TICKS_A_S
        pages += int(fields[21])
        waiting += _children(one)
    return Usage(cpu_s=cpu_s, memory_mib=pages * _PAGE / _MIB, pids=frozenset(known))


def start_time(pid: int) -> int | None:
    """Return when a process started, in clock ticks since the machine's boot; None if it is gone."""
    fields = _stat(pid)
    return None if fields is None else int(fields[19])


def boot_id() -> str | None:
    """Return the kernel's name of the present boot, None where it does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None


def user_of(pid: int) -> str | None:
    """Return the name, else the number, of the user that a process runs as; None if it cannot be seen from here."""
    try:
        uid = os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return None
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def command_of(pid: int) -> str | None:
    """Return what a process is called, without its words, which may hold secrets."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
    except OSError:
        return None


def attempt_of(pid: int) -> str | None:
    """Return the token of the attempt that a process is of, None if it is of none or is not ours to ask."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            words = file.read(_LONGEST_ENVIRONMENT).split(b"\0")
    except OSError:
        return None
    prefix = f"{MARKER}=".encode()
    return next((word.removeprefix(prefix).decode(errors="replace") for word in words if word.startswith(prefix)), None)


def _stat(pid: int) -> list[str] | None:
    """Return the fields of `stat` from the third on: a command may hold any character, also brackets."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    return text[text.rfind(")") + 2 :].split()


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for thread in threads:
        try:
            found += map(int, Path(f"/proc/{pid}/task/{thread}/children").read_text().split())
        except OSError:
            continue
    return found
