"""What was judged before and stays as it was: most jobs are like the one before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from gpuq_daemon.policy.gang import Gang
from gpuq_daemon.policy.snapshot import NodeView

K = TypeVar("K")
Judge = Callable[[], str | None]
_MOST = 4096


class Remembered:
    """Refusals (None: not refused) of scripts by their text's hash, and of gangs while the nodes are the same."""

    def __init__(self) -> None:
        self._scripts: dict[tuple[str, int], str | None] = {}
        self._gangs: dict[tuple[str, Gang], str | None] = {}
        self._nodes: Sequence[NodeView] = ()

    def knows(self, sha256: str, max_bytes: int) -> bool:
        """Return whether a script of this hash was judged."""
        return (sha256, max_bytes) in self._scripts

    def script(self, sha256: str, max_bytes: int, judge: Judge) -> str | None:
        """Return what stands against a script that may have so many bytes."""
        return _remembered(self._scripts, (sha256, max_bytes), judge)

    def gang(self, partition: str, gang: Gang, nodes: Sequence[NodeView], judge: Judge) -> str | None:
        """Return what stands against a gang on these nodes; other nodes are another object."""
        if nodes is not self._nodes:
            self._nodes = nodes
            self._gangs.clear()
        return _remembered(self._gangs, (partition, gang), judge)


def _remembered(known: dict[K, str | None], key: K, judge: Judge) -> str | None:
    if key not in known:
        if len(known) >= _MOST:
            known.clear()
        known[key] = judge()
    return known[key]
