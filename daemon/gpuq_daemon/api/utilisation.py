"""Routes that tell how full the cluster was, and how its nodes were."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Any, Literal

from litestar import Request, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Parameter
from litestar.response import Stream
from msgspec import Struct

from gpuq.errors import UsageError
from gpuq.sharing import NodeSpan, NodeState, UtilisationRow
from gpuq_daemon.api.caller import Caller, caller
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.turns import MOST_ROWS, refuse_more
from gpuq_daemon.api.usage import Per, Since, Until
from gpuq_daemon.api.usage_table import table_bytes
from gpuq_daemon.policy.rollup import DAY_S
from gpuq_daemon.policy.utilisation import Key, Times, capacity_us
from gpuq_daemon.store.history import History
from gpuq_daemon.store.reports import Asked, date_of, first_day

_LONGEST_S = 100 * 366 * DAY_S
_TYPE = "application/octet-stream"  # one for all formats: a document names one


class Of(StrEnum):
    """What GPU time is added up by."""

    PARTITION = "partition"
    GPU_TYPE = "gpu_type"


class Utilisation(Struct):
    """Rows by period; `recorded_since` is when nodes began to be recorded, None before the first look at them."""

    since: float
    until: float
    by: list[Of]
    recorded_since: float | None
    rows: list[UtilisationRow]


class NodeHistory(Struct):
    """How nodes were, the oldest first; `recorded_since` as of utilisation."""

    recorded_since: float | None
    spans: list[NodeSpan]


_By = Annotated[list[Of] | None, Parameter(max_items=2, description="Added up by these; else all together.")]
_Node = Annotated[str | None, Parameter(max_length=256, description="Of this node alone.")]
_ANSWERS = {
    200: ResponseSpec(
        data_container=bytes,
        description="A row for each row of `/v1/utilisation`, in GPU-seconds.",
        media_type=_TYPE,
        generate_examples=False,
    )
}


@get("/v1/utilisation")
async def utilisation(
    request: Request[Any, Any, Any],
    desk: Desk,
    since: Since = None,
    until: Until = None,
    by: _By = None,
    per: Per = Per.TOTAL,
) -> Utilisation:
    """Return what became of all GPU time: allocated, idle, reserved, planned to be down, down."""
    return await _utilisation(desk, caller(request).owner.user, since, until, by, per)


@get("/v1/utilisation/table", responses=_ANSWERS)
async def utilisation_table(
    request: Request[Any, Any, Any],
    desk: Desk,
    since: Since = None,
    until: Until = None,
    by: _By = None,
    per: Per = Per.TOTAL,
    form: Annotated[Literal["parquet", "arrow", "csv"], Parameter(query="format")] = "parquet",
) -> Stream:
    """Return the same as a file that other programs read."""
    asker = caller(request).owner.user
    found = await _utilisation(desk, asker, since, until, by, per)
    data = await desk.turns.take(asker, lambda: table_bytes(found.by, found.rows, UtilisationRow, form))
    return Stream(iter((data,)), media_type=_TYPE)


@get("/v1/nodes/history")
async def node_history(
    request: Request[Any, Any, Any], desk: Desk, node: _Node = None, since: Since = None, until: Until = None
) -> NodeHistory:
    """Return when nodes joined, left, were down, kept or drained, by whom and why; the last 100 000 are kept."""
    first, last = _bounds(desk, since, until)
    who = caller(request)
    return await desk.turns.take(who.owner.user, lambda: _node_history(desk.history, who, first, last, node))


def _node_history(history: History, who: Caller, since: float, until: float, node: str | None) -> NodeHistory:
    found = history.nodes(since=since, until=until, node=node, most=MOST_ROWS + 1)
    refuse_more(len(found), "ask of a shorter time, or of one node")
    recorded = history.nodes_recorded()
    spans = [one if not one.by_user or who.may_see(one.by_user) else replace(one, by_user="") for one in found]
    return NodeHistory(recorded_since=None if recorded is None else recorded[0], spans=spans)


async def _utilisation(
    desk: Desk, asker: str, since: float | None, until: float | None, by: list[Of] | None, per: Per
) -> Utilisation:
    first, last = _bounds(desk, since, until)
    wanted = [] if by is None else list(dict.fromkeys(by))
    asked = Asked(since=first, until=last, by=tuple(wanted))
    now = desk.clock.now()
    recorded, rows = await desk.turns.take(asker, lambda: _rows(desk.history, asked, per, now))
    return Utilisation(since=first, until=last, by=wanted, recorded_since=recorded, rows=rows)


def _bounds(desk: Desk, since: float | None, until: float | None) -> tuple[float, float]:
    now = desk.clock.now()
    last = now if until is None else until
    first = last - 30 * DAY_S if since is None else since
    if not 0 <= first <= last <= now + _LONGEST_S:
        raise UsageError("Give a time that begins before it ends.")
    return first // DAY_S * DAY_S, last


def _rows(history: History, asked: Asked, per: Per, now: float) -> tuple[float | None, list[UtilisationRow]]:
    recorded = history.nodes_recorded()
    if recorded is None:
        return None, []
    began_at, assumed_from = recorded
    until = min(now, (asked.until // DAY_S + 1) * DAY_S)
    spans = [
        replace(span, began_at=min(assumed_from, began_at)) if span.began_at == began_at else span
        for span in history.nodes(since=min(asked.since, began_at), until=until)
    ]
    times = dict[tuple[Key, int], Times]()
    for (key, day), parts in capacity_us(spans, asked.by, since=asked.since, until=until).items():
        held = times.setdefault((key, first_day(day, per.value)), {})
        for state, part in parts.items():
            held[state] = held.get(state, 0) + part
    used = history.use(asked, now, per.value)
    rows: list[UtilisationRow] = []
    for key, day in sorted(times, key=lambda place: (place[1], place[0])):
        begins = asked.since if per is Per.TOTAL else day * DAY_S
        is_assumed = assumed_from < began_at and begins < began_at // DAY_S * DAY_S
        held = used[key, day].gpu_s if (key, day) in used else 0.0
        rows.append(_row(key, day, per, times[key, day], held, is_assumed=is_assumed))
    return began_at, rows


def _row(key: Key, day: int, per: Per, parts: Times, allocated_gpu_s: float, *, is_assumed: bool) -> UtilisationRow:
    in_s = {state: parts.get(state, 0) / 1e6 for state in NodeState}
    return UtilisationRow(
        key=key,
        period=None if per is Per.TOTAL else date_of(day),
        gpu_s=sum(in_s.values()),
        allocated_gpu_s=allocated_gpu_s,
        idle_gpu_s=max(0.0, in_s[NodeState.UP] - allocated_gpu_s),
        reserved_gpu_s=in_s[NodeState.RESERVED],
        planned_gpu_s=in_s[NodeState.DRAINED],
        down_gpu_s=in_s[NodeState.DOWN],
        is_assumed=is_assumed,
    )
