"""How many processes the kernel has ended here for lack of memory, by its own count.

Source: cgroup v2 `memory.events` and v1 `memory.oom_control` (`oom_kill`); proc(5), /proc/vmstat.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


def count(root: Path = Path("/")) -> int:
    """Return the counts of this process's memory cgroup, of those above it, and of the machine, added up.

    A number that only grows, to be compared with an earlier one; 0 where nobody counts.
    """
    return sum(_oom_kills(file) for file in _files(root))


def _files(root: Path) -> Iterator[Path]:
    yield root / "proc/vmstat"
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if not controllers or "memory" in controllers.split(","):
            top = root / "sys/fs/cgroup" / ("" if not controllers else "memory")
            here = top / path.lstrip("/")
            for folder in (here, *here.parents):
                if not folder.is_relative_to(top):
                    break
                yield folder / ("memory.oom_control" if controllers else "memory.events")


def _oom_kills(file: Path) -> int:
    fields = (line.split() for line in _text(file).splitlines())
    return sum(int(words[1]) for words in fields if len(words) == 2 and words[0] == "oom_kill" and words[1].isdigit())


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
