"""The route that tells what was used, wasted and waited, by whom and when."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal

from litestar import Request, get
from litestar.di import Provide
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Parameter
from litestar.response import Stream
from msgspec import Struct

from gpuq.errors import UsageError
from gpuq_daemon.api.caller import caller
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.turns import refuse_more
from gpuq_daemon.api.usage_table import table_bytes
from gpuq_daemon.policy.rollup import DAY_S
from gpuq_daemon.store.history import History
from gpuq_daemon.store.reports import Asked, Key, Use, Wait, date_of

_LONGEST_S = 100 * 366 * DAY_S
Name = Annotated[str | None, Parameter(max_length=128)]


class By(StrEnum):
    """What use is added up by; ALL is one sum of everything, and stands alone. GPUS is the size of the gang."""

    ALL = "all"
    ACCOUNT = "account"
    USER = "user"
    PARTITION = "partition"
    GPU_TYPE = "gpu_type"
    QOS = "qos"
    GPUS = "gpus"


class What(StrEnum):
    """What is added up."""

    ALL = "all"
    USE = "use"
    WAITS = "waits"


class Per(StrEnum):
    """How time is cut: UTC days, weeks from Monday, months; or not at all."""

    TOTAL = "total"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class UsageRow(Struct):
    """What was used in a period by one value of each thing it is added up by.

    `period` is the first day of it, None for all. GPU time is in seconds: held in all, by jobs that failed in the end,
    and by attempts that were lost to a restart. `jobs` counts those that ended. Waits, in seconds, are
    those of the jobs that started for the first time in the period; None where there is none. Of jobs that were
    removed before these sums were kept, QOS, gang, failures and waits are not known.
    """

    key: tuple[str, ...]
    period: str | None
    gpu_s: float
    failed_gpu_s: float
    lost_gpu_s: float
    jobs: int
    started: int | None = None
    wait_p50_s: float | None = None
    wait_p90_s: float | None = None
    wait_p95_s: float | None = None
    wait_p99_s: float | None = None
    wait_longest_s: float | None = None


class Usage(Struct):
    """Rows, the most used first, or by period; `since` is the beginning of its UTC day."""

    since: float
    until: float
    by: list[By]
    rows: list[UsageRow]


Since = Annotated[float | None, Parameter(description="From this UTC day on (Unix seconds); else 30 days.")]
Until = Annotated[float | None, Parameter(description="Up to this UTC day, which is included.")]
AddedUp = Annotated[list[By] | None, Parameter(max_items=6, description="Added up by these; else by account.")]
_TYPE = "application/octet-stream"  # one for all formats: a document names one
_ANSWERS = {
    200: ResponseSpec(
        data_container=bytes,
        description="A row for each row of `/v1/usage`: the period, what it is added up by, seconds and counts.",
        media_type=_TYPE,
        generate_examples=False,
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Of whom and of when use is asked, and how it is cut; None leaves it open."""

    since: float | None
    until: float | None
    by: list[By] | None
    per: Per
    user: str | None
    account: str | None


def question(
    since: Since = None,
    until: Until = None,
    by: AddedUp = None,
    per: Per = Per.TOTAL,
    user: Name = None,
    account: Name = None,
) -> Question:
    """Return what a request asks."""
    return Question(since=since, until=until, by=by, per=per, user=user, account=account)


_ASKS = {"asks": Provide(question, sync_to_thread=False)}


@get("/v1/usage", dependencies=_ASKS)
async def usage(request: Request[Any, Any, Any], desk: Desk, asks: Question, what: What = What.ALL) -> Usage:
    """Return what was used, for nothing, and how long was waited; users see their own where others' is private."""
    return await _usage(request, desk, asks, what)


@get("/v1/usage/table", responses=_ANSWERS, dependencies=_ASKS)
async def usage_table(
    request: Request[Any, Any, Any],
    desk: Desk,
    asks: Question,
    form: Annotated[Literal["parquet", "arrow", "csv"], Parameter(query="format")] = "parquet",
) -> Stream:
    """Return the same as a file that other programs read."""
    found = await _usage(request, desk, asks, What.ALL)
    asker = caller(request).owner.user
    data = await desk.turns.take(asker, lambda: table_bytes(found.by, found.rows, UsageRow, form))
    return Stream(iter((data,)), media_type=_TYPE)


async def _usage(request: Request[Any, Any, Any], desk: Desk, asks: Question, what: What) -> Usage:
    who, now = caller(request), desk.clock.now()
    user = asks.user if who.sees_all else who.owner.user
    last = now if asks.until is None else asks.until
    first = last - 30 * DAY_S if asks.since is None else asks.since
    if not 0 <= first <= last <= now + _LONGEST_S:
        raise UsageError("Give a time that begins before it ends.")
    wanted = list(dict.fromkeys(asks.by)) if asks.by is not None else [By.ACCOUNT]
    if By.ALL in wanted:
        if len(wanted) > 1:
            raise UsageError("`all` is one sum of everything: add it up by nothing else.")
        wanted = []
    asked = Asked(since=first // DAY_S * DAY_S, until=last, by=tuple(wanted), user=user, account=asks.account)
    rows = await desk.turns.take(who.owner.user, lambda: _rows(desk.history, asked, asks.per, what, now))
    return Usage(since=asked.since, until=last, by=wanted, rows=rows)


def _rows(history: History, asked: Asked, per: Per, what: What, now: float) -> list[UsageRow]:
    used = {} if what is What.WAITS else history.use(asked, now, per.value)
    waits = {} if what is What.USE else history.waits(asked, per.value)
    nothing = Use()  # who only waited and started
    places = {place: used.get(place, nothing) for place in (*used, *waits)}
    refuse_more(len(places), "ask of a shorter time, or add it up by fewer things")
    order = sorted(places, key=lambda place: (place[1], -places[place].gpu_s, place[0]))
    return [
        _row(key, None if per is Per.TOTAL else date_of(day), places[key, day], waits.get((key, day)))
        for key, day in order
    ]


def _row(key: Key, period: str | None, used: Use, wait: Wait | None) -> UsageRow:
    row = UsageRow(
        key=key,
        period=period,
        gpu_s=used.gpu_s,
        failed_gpu_s=used.failed_gpu_s,
        lost_gpu_s=used.lost_gpu_s,
        jobs=used.jobs,
    )
    if wait is not None:
        row.started, row.wait_longest_s = wait.jobs, wait.longest_s
        row.wait_p50_s, row.wait_p90_s, row.wait_p95_s, row.wait_p99_s = wait.p50_s, wait.p90_s, wait.p95_s, wait.p99_s
    return row
