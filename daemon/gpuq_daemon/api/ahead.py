"""Routes about what is to come, and how well that was known."""

from __future__ import annotations

import asyncio
from typing import Annotated

from litestar import get
from litestar.params import Parameter
from msgspec import Struct

from gpuq.sharing import EtaRow
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.forecast.kept import eta_rows

_WEEK_S = 7 * 86_400.0


class EtaReport(Struct):
    """How estimates of starts that were made from `since` to `until` were kept."""

    since: float
    until: float
    rows: list[EtaRow]


@get("/v1/estimates")
async def eta_report(
    desk: Desk,
    since: Annotated[float | None, Parameter(ge=0, le=1e12, description="Made since then; else in a week.")] = None,
) -> EtaReport:
    """Return how often the promised starts were kept, by quantile: all, the first of each job, and by distance."""
    now = desk.clock.now()
    begin = now - _WEEK_S if since is None else since
    promised = desk.ahead.promised_since(begin)
    return EtaReport(since=begin, until=now, rows=await asyncio.to_thread(eta_rows, promised, now))
