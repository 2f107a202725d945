"""The route about the record of changes."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, get
from litestar.params import Parameter
from msgspec import Struct

from gpuq.errors import ForbiddenError
from gpuq.identity import AuditRow
from gpuq_daemon.api.caller import Role, caller
from gpuq_daemon.api.desk import Desk


class Audit(Struct):
    """Rows in the order made."""

    audit: list[AuditRow]


@get("/v1/audit")
async def list_audit(
    request: Request[Any, Any, Any],
    desk: Desk,
    since: Annotated[float, Parameter(ge=0, le=1e11)] = 0.0,
    user: str | None = None,
    limit: Annotated[int, Parameter(ge=1, le=10_000)] = 1_000,
) -> Audit:
    """Return what was changed, or tried, since a moment; of more than `limit` the newest.

    Operators and admins see what everybody did, users what they did themselves.
    """
    who = caller(request)
    if who.role < Role.OPERATOR:
        if user not in (None, who.owner.user):
            raise ForbiddenError(f"User {who.owner.user} may see what they did themselves; ask an operator for others.")
        user = who.owner.user
    return Audit(desk.audit.rows(since=since, user=user, limit=limit))
