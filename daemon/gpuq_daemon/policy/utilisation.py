"""How much GPU time there was, and why of it no job could have what, added up from spans of nodes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from gpuq.sharing import NodeSpan, NodeState
from gpuq_daemon.policy.rollup import by_day

HEALTH_CHECK = "(health check)"
NODE_HOOK = "(node hook)"
"""By whom nodes are drained that the site's programs find ill; no user can be called so."""

Key = tuple[str, ...]
Times = dict[NodeState, int]


def capacity_us(
    spans: Iterable[NodeSpan], by: tuple[str, ...], *, since: float, until: float
) -> Mapping[tuple[Key, int], Times]:
    """Return GPU-microseconds by how their node was, by (the values of `by`, UTC day), within [since, until].

    What the health check has taken out is down, what drains and still has jobs is up.
    """
    steps = defaultdict[tuple[Key, NodeState], dict[float, int]](lambda: defaultdict(int))
    for span in spans:
        begun, ended = max(span.began_at, since), until if span.ended_at is None else min(span.ended_at, until)
        if begun < ended and span.gpus:
            key = tuple(str(getattr(span, name)) for name in by)
            level = steps[key, _counts_as(span)]
            level[begun] += span.gpus
            level[ended] -= span.gpus
    found = defaultdict[tuple[Key, int], Times](dict)
    for (key, state), changes in steps.items():
        gpus, at = 0, since
        for moment in sorted(changes):
            for day, part in by_day(at, moment, round(gpus * (moment - at) * 1e6)).items() if gpus else ():
                times = found[key, day]
                times[state] = times.get(state, 0) + part
            gpus, at = gpus + changes[moment], moment
    return found


def _counts_as(span: NodeSpan) -> NodeState:
    if span.state is NodeState.DRAINING:
        return NodeState.UP
    if span.state is NodeState.DRAINED and span.by_user in (HEALTH_CHECK, NODE_HOOK):
        return NodeState.DOWN
    return NodeState.DRAINED if span.state is NodeState.MAINTENANCE else span.state
