"""Routes about gpuqd itself: anyone may look, administrators may begin to count anew."""

from __future__ import annotations

from typing import Any

from litestar import Request, delete, get, post
from msgspec import Struct

from gpuq.diagnosis import ConfigChange, Diagnosis
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.recording import note
from gpuq_daemon.api.roles import administrator
from gpuq_daemon.reload import summary


class Reloaded(Struct):
    """What a reload has changed, and what waits for a restart, in the order of the configuration."""

    changes: tuple[ConfigChange, ...]


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


@post("/v1/config", status_code=200)
async def reload_config(request: Request[Any, Any, Any], desk: Desk) -> Reloaded:
    """Read gpuqd's own configuration file again; a wrong one is refused and changes nothing."""
    administrator(request)
    changes = desk.reload()
    note(request, change=summary(changes))
    return Reloaded(changes)
