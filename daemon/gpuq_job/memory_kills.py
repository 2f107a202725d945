"""How many processes the kernel has ended here for lack of memory, by its own count.

Source: cgroup v2 `memory.events` and v1 `memory.oom_control` (`oom_kill`); proc(5), /proc/vmstat.
"""

from __future__ import annotations

from collections.abc import Iterator


def count(root: str = "") -> int:
    """Return the counts of this process's memory cgroup, of those above it, and of the machine, added up.

    A number that only grows, to be compared with an earlier one; 0 where nobody counts.
    """
    return sum(_oom_kills(file) for file in _files(root))


def _files(root: str) -> Iterator[str]:
    yield f"{root}/proc/vmstat"
    for line in _text(f"{root}/proc/self/cgroup").splitlines():
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if not controllers or "memory" in controllers.split(","):
            name = "memory.oom_control" if controllers else "memory.events"
            folder = f"{root}/sys/fs/cgroup" + ("/memory" if controllers else "")
            yield f"{folder}/{name}"
            for part in path.split("/"):
                if part not in ("", "..", "."):
                    folder = f"{folder}/{part}"
                    yield f"{folder}/{name}"


def _oom_kills(file: str) -> int:
    fields = (line.split() for line in _text(file).splitlines())
    return sum(int(words[1]) for words in fields if len(words) == 2 and words[0] == "oom_kill" and words[1].isdigit())


def _text(file: str) -> str:
    try:
        with open(file, encoding="ascii", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""
