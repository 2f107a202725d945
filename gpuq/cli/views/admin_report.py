"""What a cluster was used for, for whoever runs it: how full it was, by whom, for nothing, and how long was waited."""

from __future__ import annotations

from gpuq.cli.views.table import table
from gpuq.cli.views.usage import usage_lines
from gpuq.units import duration, moment, plural

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gpuq.client import Json

UTILISATION_COLUMNS = (
    "period", "gpu_h", "allocated_gpu_h", "idle_gpu_h", "reserved_gpu_h", "planned_gpu_h", "down_gpu_h", "is_assumed",
)  # fmt: skip
_PARTS = ("allocated", "idle", "reserved", "planned", "down")
_SIGNS = "#.rpd"
_BAR = 25
_MOST_ROWS = 15
_LEAST_S = 180.0  # less is 0.0 hours, as it is told
_WAITS = ("wait_p50_s", "wait_p90_s", "wait_p99_s", "wait_longest_s")
_WAIT_HEADER = ("JOBS", "HALF", "90%", "99%", "LONGEST")


def report_lines(found: Json, *, width: int | None, mark: str = "…") -> list[str]:
    """Return the report: `total` by what was asked for, then how full it was, who waited, and what was for nothing."""
    lines = usage_lines(found["total"], width=width, mark=mark)
    left = len(lines) - _MOST_ROWS - 2
    lines = lines[: _MOST_ROWS + 2]
    if left > 0:
        lines.append(f"{plural(left, 'more row')}: --csv and --parquet have all.")
    return [
        *lines,
        *utilisation_lines(found["utilisation"], width=width),
        *_wait_lines("STARTED IN", [(row["period"] or "", row) for row in found["periods"]["rows"]], width),
        *_wait_lines("GANG", [(_gang(row["key"][0]), row) for row in _by_size(found["gangs"]["rows"])], width),
        *_waste_lines(found["wasted"], width),
    ]


def utilisation_lines(found: Json, *, width: int | None) -> list[str]:
    """Return a line a period with the parts of all GPU time, and a bar of them; then all periods together."""
    rows = found["rows"]
    if not rows:
        return ["", "How full it was is not known: no node has been seen in that time."]
    whole = [*rows, _together(rows)] if len(rows) > 1 else rows
    header = ("UTILISATION", *(name.upper() for name in found["by"]), "GPU-H", *(part.upper() for part in _PARTS), "")
    lines = table(
        header,
        [_utilisation_row(row, len(found["by"])) for row in whole],
        right=frozenset(header[1 + len(found["by"]) : -1]),
        width=width,
    )
    legend = ", ".join(f"{sign} {part}" for sign, part in zip(_SIGNS, _PARTS, strict=True))
    return ["", *lines, f"{legend}; planned: drained by an operator, or maintenance.", *_assumed(found)]


def utilisation_rows(found: Json) -> Iterator[list[str]]:
    """Yield the values of each row, in the order of what it is added up by and of `UTILISATION_COLUMNS`, as text."""
    for row in found["rows"]:
        hours = (f"{row[name] / 3600:.3f}" for name in ("gpu_s", *(f"{part}_gpu_s" for part in _PARTS)))
        yield [*row["key"], row["period"] or "", *hours, "yes" if row["is_assumed"] else "no"]


def _assumed(found: Json) -> list[str]:
    if not any(row["is_assumed"] for row in found["rows"]):
        return []
    since = moment(found["recorded_since"])
    return [f"~ Nodes are recorded since {since}: what was before is counted by the nodes of then."]


def _utilisation_row(row: Json, keys: int) -> tuple[str, ...]:
    name = row["period"] or "all"
    if not row["gpu_s"]:
        return (name, *([""] * (keys - len(row["key"]))), *row["key"], "0.0", *(["-"] * len(_PARTS)), "")
    parts = [row[f"{part}_gpu_s"] / row["gpu_s"] for part in _PARTS]
    return (
        name + (" ~" if row["is_assumed"] else ""),
        *(value or "-" for value in row["key"]),
        *(["all"] * (keys - len(row["key"]))),
        f"{row['gpu_s'] / 3600:.1f}",
        *(f"{100 * part:.1f}%" for part in parts),
        bar(parts),
    )


def bar(parts: Sequence[float]) -> str:
    """Return a bar whose signs stand for parts of a whole; it is as long for every row."""
    drawn, until = "", 0.0
    for sign, part in zip(_SIGNS, parts, strict=True):
        until += part
        drawn += sign * (round(_BAR * min(1.0, until)) - len(drawn))
    return drawn


def _together(rows: Sequence[Json]) -> Json:
    names = ("gpu_s", *(f"{part}_gpu_s" for part in _PARTS))
    sums = {name: sum(row[name] for row in rows) for name in names}
    return {"key": [], "period": None, "is_assumed": any(row["is_assumed"] for row in rows), **sums}


def _gang(gpus: str) -> str:
    return plural(int(gpus), "GPU") if int(gpus) else "not known"


def _by_size(rows: Sequence[Json]) -> list[Json]:
    return sorted(rows, key=lambda row: int(row["key"][0]))


def _wait_lines(name: str, named: Sequence[tuple[str, Json]], width: int | None) -> list[str]:
    """Return how long those waited who started: half of them at most, and 90 and 99 of 100."""
    rows = [
        (title, str(row["started"]), *(duration(row[one]) for one in _WAITS)) for title, row in named if row["started"]
    ]
    header = (name, *_WAIT_HEADER)
    return ["", *table(header, rows, right=frozenset(_WAIT_HEADER), width=width)] if rows else []


def _waste_lines(found: Sequence[Json], width: int | None) -> list[str]:
    """Return who held most for nothing: jobs that failed, GPUs that waited for their job to begin, restarts."""
    parts = ("failed_gpu_s", "idle_gpu_s", "restarts_gpu_s")
    wasted = [row for row in found if any(row[part] >= _LEAST_S for part in parts)][:_MOST_ROWS]
    rows = [
        (row["user"], row["account"], *(f"{row[part] / 3600:.1f}" for part in (*parts, "held_gpu_s"))) for row in wasted
    ]
    header = ("FOR NOTHING", "ACCOUNT", "FAILED", "STARTING", "RESTARTS", "OF GPU-H")
    return ["", *table(header, rows, right=frozenset(header[2:]), width=width)] if rows else []
