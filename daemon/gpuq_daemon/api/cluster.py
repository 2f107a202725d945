"""Routes about the daemon and its nodes."""

from __future__ import annotations

from typing import Any

from litestar import Request, get

from gpuq.models import Cluster
from gpuq_daemon.api.caller import caller
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.visible import seen_cluster


@get("/v1/cluster")
async def show_cluster(request: Request[Any, Any, Any], desk: Desk) -> Cluster:
    """Return the daemon and its nodes."""
    return seen_cluster(caller(request), desk, desk.cluster())
