"""GPU time as the limits count it: undecayed, in the present period."""

from __future__ import annotations

from gpuq_daemon.policy.limits import Limits, Owner, Scope, rows_of
from gpuq_daemon.store.database import Database

_HELD = """
SELECT j.user, j.account, j.qos,
       sum(j.workers * j.gpus_per_worker * max(0, min(coalesce(a.ended_at, :now), :now) - max(a.started_at, :since)))
         AS gpu_s
FROM attempts a JOIN jobs j ON j.id = a.job_id
WHERE coalesce(a.ended_at, :now) > :since
GROUP BY j.user, j.account, j.qos"""


def used_gpu_s(database: Database, limits: Limits, *, since: float, now: float) -> dict[Scope, float]:
    """Return the GPU-seconds held from `since` to `now`, running jobs included, of every scope with such a limit."""
    scopes = (limits.users, limits.accounts, limits.qos, limits.qos_users)
    if all(limit.gpu_hours is None for scope in scopes for limit in scope.values()):
        return {}
    used: dict[Scope, float] = {}
    for row in database.rows(_HELD, {"since": since, "now": now}):
        for limited in rows_of(Owner(row["user"], row["account"], row["qos"]), limits):
            used[limited.scope] = used.get(limited.scope, 0.0) + row["gpu_s"]
    return used
