"""`gpuq admin`: what only administrators may change."""

from __future__ import annotations

from gpuq.cli import declare

_VERBS = (
    *("account", "user", "share", "qos", "limit", "reservation", "node", "diag", "token", "audit", "batch"),
    *("simulate", "eta-report", "report", "replay", "what-if"),
)


@declare.group("admin", modules={name: f"{__name__}.{name.replace('-', '_')}" for name in _VERBS})
def command() -> None:
    """Decide about accounts, shares, QOS, limits, reservations and nodes, and see how gpuqd fares.

    Anyone may list; operators may change nodes and reservations, admins everything. A change counts from the next
    scheduling pass on, for jobs that wait too.
    """
