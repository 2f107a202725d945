"""Routes about what users, accounts and QOS may have: anyone may look, administrators may change."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Annotated, Any, Literal

from litestar import Request, delete, get, patch
from msgspec import UNSET, Meta, Struct, UnsetType, structs

from gpuq.sharing import LimitRow
from gpuq.units import MAX_TIME_LIMIT_S
from gpuq_daemon.api.accounts import Done
from gpuq_daemon.api.caller import caller
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.names import checked_user
from gpuq_daemon.api.recording import note
from gpuq_daemon.api.roles import administrator
from gpuq_daemon.policy.limits import Limit, Scope

Kind = Literal["user", "account", "qos", "qos_user"]
_Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]
_Hours = Annotated[float, Meta(ge=0, le=1e12)]
_Seconds = Annotated[int, Meta(ge=1, le=MAX_TIME_LIMIT_S)]


class LimitList(Struct):
    """All limits by kind and name."""

    limits: list[LimitRow]


class LimitChange(Struct, forbid_unknown_fields=True):
    """What to change of a scope's limits: what is left out stays, null is no limit."""

    running_gpus: _Count | UnsetType | None = UNSET
    running_jobs: _Count | UnsetType | None = UNSET
    queued_jobs: _Count | UnsetType | None = UNSET
    gpu_hours: _Hours | UnsetType | None = UNSET
    longest_s: _Seconds | UnsetType | None = UNSET


@get("/v1/limits")
async def list_limits(request: Request[Any, Any, Any], desk: Desk) -> LimitList:
    """Return all limits; to those who see what is their own, no other user's."""
    who = caller(request)
    limits = desk.accounts.limits_by_scope()
    return LimitList([_row(s, limit) for s, limit in limits.items() if s[0] != "user" or who.may_see(s[1])])


@patch("/v1/limits/{kind:str}/{name:str}")
async def set_limit(request: Request[Any, Any, Any], desk: Desk, kind: Kind, name: str, data: LimitChange) -> LimitRow:
    """Change what a scope may have."""
    administrator(request)
    if kind == "user":
        checked_user(name)
    named = {key: value for key, value in structs.asdict(data).items() if value is not UNSET}
    entry = note(request, target=f"{kind}:{name}")
    new = await desk.accounts.set_limit((kind, name), lambda old: entry.told(old, replace(old, **named)))
    desk.rules_changed()
    return _row((kind, name), new)


@delete("/v1/limits/{kind:str}/{name:str}", status_code=200)
async def clear_limit(request: Request[Any, Any, Any], desk: Desk, kind: Kind, name: str) -> Done:
    """Take all limits of a scope away."""
    administrator(request)
    note(request, target=f"{kind}:{name}")
    await desk.accounts.clear_limit((kind, name))
    desk.rules_changed()
    return Done(f"{kind}:{name}")


def _row(scope: Scope, limit: Limit) -> LimitRow:
    return LimitRow(kind=scope[0], name=scope[1], **asdict(limit))
