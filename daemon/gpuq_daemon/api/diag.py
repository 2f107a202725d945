"""Routes about gpuqd itself: anyone may look, administrators may begin to count anew."""

from __future__ import annotations

from typing import Any

from litestar import Request, delete, get

from gpuq.diagnosis import Diagnosis
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.roles import administrator


@get("/v1/diag")
async def show_diag(desk: Desk) -> Diagnosis:
    """Return how gpuqd itself fares: passes, commits, queries, requests, event loop, memory."""
    return desk.diagnose()


@delete("/v1/diag", status_code=200)
async def reset_diag(request: Request[Any, Any, Any], desk: Desk) -> Diagnosis:
    """Forget the counts and begin anew; return what they were."""
    administrator(request)
    found = desk.diagnose()
    desk.vitals.reset(desk.clock.now())
    return found
