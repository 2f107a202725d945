"""Routes about the daemon and its nodes."""

from __future__ import annotations

from litestar import get

from gpuq.models import Cluster
from gpuq_daemon.api.desk import Desk


@get("/v1/cluster")
async def show_cluster(desk: Desk) -> Cluster:
    """Return the daemon and its nodes."""
    return desk.cluster()
