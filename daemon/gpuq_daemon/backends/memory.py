"""How much memory processes of this machine, or of this container, may still take."""

from __future__ import annotations

from pathlib import Path

from gpuq_daemon.backends.base import EngineError

_MIB = 1024 * 1024


FLOOR_MIB = 4096  # what a job of two workers takes


def require(floor_mib: int, available: int) -> None:
    """Return if so much memory, in MiB, is available.

    Raises:
        EngineError: it is not.
    """
    if available < floor_mib:
        raise EngineError(
            f"The embedded engine needs {floor_mib} MiB of free memory for a job of two workers, "
            f"but {available} MiB are available: free some, or use a larger machine."
        )


def available_mib(*, proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the smallest of what the kernel and every cgroup above this process still give, in MiB.

    Source: proc(5) MemAvailable; kernel documentation of cgroup v1 and v2.
    """
    fields = dict(line.split(":", 1) for line in (proc / "meminfo").read_text().splitlines() if ":" in line)
    free = [int(fields["MemAvailable"].split()[0]) // 1024]
    for line in _lines(proc / "self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            free += _left(cgroups, path, "memory.max", "memory.current")
        elif "memory" in controllers.split(","):
            free += _left(cgroups / "memory", path, "memory.limit_in_bytes", "memory.usage_in_bytes")
    return min(free)


def _left(root: Path, path: str, limit: str, usage: str) -> list[int]:
    found: list[int] = []
    folder = root / path.lstrip("/")
    while folder.is_relative_to(root):
        limits, usages = _lines(folder / limit), _lines(folder / usage)
        if limits and usages and limits[0].isdecimal():
            found.append(max(0, int(limits[0]) - int(usages[0]) + _cached(folder)) // _MIB)
        folder = folder.parent
    return found


def _cached(folder: Path) -> int:
    """Return the bytes of files that count as used, but go when memory is wanted."""
    fields = dict(line.split(" ", 1) for line in _lines(folder / "memory.stat") if " " in line)
    return int(fields.get("inactive_file", fields.get("total_inactive_file", "0")))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
