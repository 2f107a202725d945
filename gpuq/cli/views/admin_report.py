"""What a cluster was used for, for whoever runs it: how much of it, by whom, for nothing, and how long was waited."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gpuq.chart import ChartOptions, draw
from gpuq.cli.views.table import table
from gpuq.cli.views.usage import usage_lines
from gpuq.models import Curve, Series, SeriesKind
from gpuq.units import duration, moment, plural

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gpuq.client import Json

_DAY_S = 86_400.0
_MOST_ROWS = 15
_SUMMED = ("gpu_s", "failed_gpu_s", "lost_gpu_s", "jobs")
_WAITS = ("wait_p50_s", "wait_p95_s", "wait_longest_s")
_WAITED = ("started", *_WAITS)


def in_all(daily: Json, waits: Json) -> Json:
    """Return what each used in all, of what each used a day, with how long each waited."""
    sums: dict[tuple[str, ...], Json] = {}
    waited = {tuple(row["key"]): row for row in waits["rows"]}
    for row in [*daily["rows"], *waits["rows"]]:
        key = tuple(row["key"])
        row = {**row, "period": None}
        held = sums.setdefault(
            key, {**row, **dict.fromkeys(_SUMMED, 0), **{n: waited.get(key, row)[n] for n in _WAITED}}
        )
        for name in _SUMMED:
            held[name] += row[name]
    return {**daily, "rows": sorted(sums.values(), key=lambda row: (-row["gpu_s"], row["key"]))}


def by_day(daily: Json) -> Json:
    """Return what was used a day by all together."""
    sums: dict[str, Json] = {}
    for row in daily["rows"]:
        held = sums.setdefault(row["period"], {**row, "key": [], **dict.fromkeys(_SUMMED, 0)})
        for name in _SUMMED:
            held[name] += row[name]
    return {**daily, "by": [], "rows": [sums[day] for day in sorted(sums)]}


def busy_by_day(days: Json, now: float) -> list[tuple[float, float]]:
    """Return (its beginning in Unix seconds, GPUs that jobs held on average) of every day of a report."""
    held = {row["period"]: row["gpu_s"] for row in days["rows"]}
    return [
        (begin, held.get(name, 0.0) / max(1.0, min(_DAY_S, now - begin)))
        for begin, name in _days(days["since"], days["until"])
    ]


def busy_part(days: Json, gpus: int, now: float) -> float | None:
    """Return which part of all GPU time jobs held, counted by the GPUs that there are now; None without any."""
    parts = [busy for _, busy in busy_by_day(days, now)]
    return sum(parts) / len(parts) / gpus if gpus and parts else None


def report_lines(
    total: Json,
    days: Json,
    periods: Json,
    ledger: Json,
    *,
    gpus: int,
    options: ChartOptions,
    width: int | None,
    now: float,
) -> list[str]:
    """Return the report: `total` by what was asked for, `days` and `periods` of all together, `ledger` for waste."""
    part = busy_part(days, gpus, now)
    busy = [f"Busy: {part:.1%} of the {plural(gpus, 'GPU')} that are there now."] if part is not None else []
    lines = usage_lines(total, width=width, mark="~" if options.is_ascii else "…")
    left = len(lines) - _MOST_ROWS - 2
    lines = lines[: _MOST_ROWS + 2]
    if left > 0:
        lines.append(f"{plural(left, 'more row')}: --csv and --parquet have all.")
    lines += busy
    points = busy_by_day(days, now)
    if len(points) > 1:
        first, last = (moment(at)[:10] for at in (points[0][0], points[-1][0]))
        lines += ["", *_chart(points, f"GPUs busy on average, each day from {first} to {last}", options)]
    return [*lines, *_wait_lines(periods, width), *_waste_lines(ledger, width)]


def _chart(points: Sequence[tuple[float, float]], title: str, options: ChartOptions) -> list[str]:
    values = tuple(value for _, value in points)
    times = tuple(at for at, _ in points)
    series = Series(
        job_id=0,
        attempt=0,
        rank=0,
        run=".",
        tag="busy",
        kind=SeriesKind.SCALAR,
        count=len(points),
        first_step=0,
        last_step=len(points) - 1,
        last_wall_time=times[-1],
        last_value=values[-1],
    )
    curve = Curve(
        series=series,
        steps=tuple(float(i) for i in range(len(points))),
        wall_times=times,
        low=values,
        high=values,
        last=values,
        count=len(points),
    )
    look = ChartOptions(
        width=options.width,
        height=options.height,
        is_ascii=options.is_ascii,
        color=options.color,
        title=title,
        x="wall",
    )
    return draw([curve], look).split("\n")


def _wait_lines(periods: Json, width: int | None) -> list[str]:
    rows = [
        (row["period"] or "", str(row["started"]), *(duration(row[n]) for n in _WAITS))
        for row in periods["rows"]
        if row["started"]
    ]
    header = ("STARTED IN", "JOBS", "WAIT", "95%", "LONGEST")
    return ["", *table(header, rows, right=frozenset(header[1:]), width=width)] if rows else []


def _waste_lines(ledger: Json, width: int | None) -> list[str]:
    """Return who held most for nothing: jobs that failed, GPUs that waited for their job to begin, restarts."""
    parts = ("failed_gpu_s", "idle_gpu_s", "restarts_gpu_s")
    wasted = [row for row in ledger["wasted"] if any(row[part] for part in parts)][:_MOST_ROWS]
    rows = [
        (row["user"], row["account"], *(f"{row[part] / 3600:.1f}" for part in (*parts, "held_gpu_s"))) for row in wasted
    ]
    header = ("FOR NOTHING", "ACCOUNT", "FAILED", "STARTING", "RESTARTS", "OF GPU-H")
    return ["", *table(header, rows, right=frozenset(header[2:]), width=width)] if rows else []


def _days(since: float, until: float) -> Iterator[tuple[float, str]]:
    """Yield beginning and name of each UTC day."""
    day = datetime.fromtimestamp(since, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    while day.timestamp() <= until:
        yield day.timestamp(), day.date().isoformat()
        day += timedelta(days=1)
