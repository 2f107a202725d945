"""The route that tells of jobs that have ended."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from litestar import Request, get
from litestar.params import Parameter
from msgspec import Struct

from gpuq.errors import UsageError
from gpuq.models import JobState
from gpuq_daemon.api.caller import caller
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.visible import LARGEST_ID, may_see
from gpuq_daemon.store.history import COLUMNS, Wanted

_LONGEST = 256
Name = Annotated[str | None, Parameter(max_length=128)]


class Ended(Struct):
    """Jobs that have ended as rows of `columns`, the newest end first; `next_cursor` is there if more may follow."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    next_cursor: str | None = None


@get("/v1/history")
async def history(
    request: Request[Any, Any, Any],
    desk: Desk,
    user: Name = None,
    account: Name = None,
    partition: Name = None,
    ended: Annotated[JobState | None, Parameter(query="state")] = None,
    since: Annotated[float | None, Parameter(description="Ended at or after (Unix seconds).")] = None,
    until: Annotated[float | None, Parameter(description="Ended before (Unix seconds).")] = None,
    name: Annotated[str | None, Parameter(max_length=_LONGEST, description="A pattern with * ? [a-z].")] = None,
    regex: Annotated[str | None, Parameter(max_length=_LONGEST, description="Found anywhere in the name.")] = None,
    limit: Annotated[int, Parameter(ge=1, le=10_000)] = 100,
    cursor: Annotated[str | None, Parameter(max_length=64, description="The `next_cursor` before.")] = None,
) -> Ended:
    """Return jobs that have ended, the newest first, by any of these."""
    if regex is not None and (name is not None or "\n" in regex):
        raise UsageError("Give one pattern for the name, on one line.")
    who = caller(request)
    if user is None and not who.sees_all:
        user = who.owner.user
    if user is not None and not may_see(who, user):
        return Ended(COLUMNS, [])
    wanted = Wanted(
        user=user,
        account=account,
        partition=partition,
        state=ended,
        since=since,
        until=until,
        glob=name,
        regex=regex,
        before=None if cursor is None else _position(cursor),
        limit=limit,
    )
    rows = await asyncio.to_thread(desk.history.jobs, wanted)
    ended_at = COLUMNS.index("ended_at")
    more = f"{rows[-1][ended_at]!r}:{rows[-1][0]}" if len(rows) == limit else None
    return Ended(COLUMNS, rows, more)


def _position(cursor: str) -> tuple[float, int]:
    at, _, number = cursor.partition(":")
    try:
        found = float(at), int(number)
    except ValueError:
        found = 0.0, -1
    if not 0 <= found[1] <= LARGEST_ID:
        raise UsageError("That cursor is none of gpuqd's: begin without one.")
    return found
