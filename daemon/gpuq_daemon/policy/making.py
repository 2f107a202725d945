"""The engine that decides, by the rules."""

from __future__ import annotations

from gpuq_daemon.policy.engine import Engine
from gpuq_daemon.policy.snapshot import Snapshot
from gpuq_daemon.policy.tiers.engine import TieredEngine


def engine_for(snapshot: Snapshot, before: Engine | None = None) -> Engine:
    """Return an engine that knows a snapshot: the one before with everything anew, if the rules are for its kind."""
    kind = Engine if snapshot.rules.tiers is None else TieredEngine
    if type(before) is kind:
        before.reset(snapshot)
        return before
    return kind(snapshot)
