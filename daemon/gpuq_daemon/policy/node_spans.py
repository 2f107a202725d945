"""How a node is for jobs, and what of it has changed since it was last looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gpuq.models import Node
from gpuq.sharing import Drain, NodeState
from gpuq_daemon.policy.reservation import Reservation

MISSES = 3
"""So many looks in a row find nothing of a node that has left; one may fall into the start of an engine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A node as it is now: with which GPUs, and whether jobs can have them; `by_user` is who took it out."""

    node: str
    partition: str
    gpu_type: str
    gpus: int
    state: NodeState
    reason: str = ""
    by_user: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What is not so any more, by node and since when, and what is so now."""

    ended: tuple[tuple[str, float], ...]
    began: tuple[Seen, ...]


def seen(
    nodes: Iterable[Node], drains: Iterable[Drain], reservations: Iterable[Reservation], now: float
) -> dict[str, Seen]:
    """Return every node as it is now. While jobs run on one that is kept or taken out, it is in use."""
    drain_of = {drain.node: drain for drain in drains}
    kept = {name: one for one in reservations if one.start_at <= now < one.end_at for name in one.nodes}
    return {node.name: _seen(node, drain_of.get(node.name), kept.get(node.name)) for node in nodes}


def _seen(node: Node, drain: Drain | None, kept: Reservation | None) -> Seen:
    state, reason, by_user = NodeState.UP, "", ""
    if not node.is_up:
        state = NodeState.DOWN
    elif drain is not None:
        state = NodeState.DRAINING if node.job_ids else NodeState.DRAINED
        reason, by_user = drain.reason, drain.by_user
    elif kept is not None and not node.job_ids:
        state = NodeState.MAINTENANCE if kept.is_maintenance else NodeState.RESERVED
        reason = kept.name
    return Seen(
        node=node.name,
        partition=node.partition,
        gpu_type=node.gpu_type or "",
        gpus=node.gpus,
        state=state,
        reason=reason,
        by_user=by_user,
    )


class Record:
    """What was so at the last look."""

    def __init__(self, were: Mapping[str, Seen]) -> None:
        self._were = dict(were)
        self._missed: dict[str, tuple[int, float]] = {}

    def look(self, are: Mapping[str, Seen], now: float) -> Changed:
        """Return what has changed, and remember it."""
        ended: list[tuple[str, float]] = []
        for name in self._were.keys() - are.keys():
            count, since = self._missed.get(name, (0, now))
            self._missed[name] = (count + 1, since)
            if count + 1 >= MISSES:
                ended.append((name, since))
        for name in are:
            self._missed.pop(name, None)
        began = tuple(one for name, one in are.items() if self._were.get(name) != one)
        for name, _ in ended:
            del self._were[name], self._missed[name]
        ended += [(one.node, now) for one in began if one.node in self._were]
        self._were.update({one.node: one for one in began})
        return Changed(ended=tuple(ended), began=began)
