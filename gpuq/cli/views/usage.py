"""What was used, as a table with its bars."""

from __future__ import annotations

from gpuq.cli.views.table import table
from gpuq.units import duration, utc_moment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gpuq.client import Json

COLUMNS = (
    "period", "gpu_h", "failed_gpu_h", "lost_gpu_h", "jobs", "started", "wait_p50_s", "wait_p90_s", "wait_p95_s",
    "wait_p99_s", "wait_longest_s",
)  # fmt: skip
_BAR = 20


def usage_lines(found: Json, *, width: int | None, mark: str = "…") -> list[str]:
    """Return the time, a line for each row with a bar for its share of the most, and the sum."""
    rows: list[Json] = found["rows"]
    head = f"{utc_moment(found['since'])} to {utc_moment(found['until'])} UTC"
    if not rows:
        return [f"{head}: nothing was used."]
    has_periods, has_waits = any(row["period"] for row in rows), any(row["started"] for row in rows)
    header = [
        *(["PERIOD"] if has_periods else []),
        *(name.upper().replace("_", " ") for name in found["by"]),
        *("GPU-H", "%", "FAILED", "LOST", "JOBS"),
        *(["WAIT", "95%", "LONGEST"] if has_waits else []),
        "",
    ]
    total = sum(row["gpu_s"] for row in rows)
    most = max(row["gpu_s"] for row in rows)
    lines = [_line(row, total, most, has_periods=has_periods, has_waits=has_waits) for row in rows]
    right = frozenset({"GPU-H", "%", "FAILED", "LOST", "JOBS", "WAIT", "95%", "LONGEST"})
    held, failed, lost = (_hours(rows, name) for name in ("gpu_s", "failed_gpu_s", "lost_gpu_s"))
    spent = f"{held} GPU-h, {failed} failed, {lost} lost"
    return [f"{head}: {spent}", *table(header, lines, right=right, width=width, mark=mark)]


def _hours(rows: Sequence[Json], name: str) -> str:
    return f"{sum(row[name] for row in rows) / 3600:.1f}"


def _line(row: Json, total: float, most: float, *, has_periods: bool, has_waits: bool) -> tuple[str, ...]:
    waits = ("wait_p50_s", "wait_p95_s", "wait_longest_s")
    return (
        *([row["period"] or ""] if has_periods else []),
        *(value or "-" for value in row["key"]),
        f"{row['gpu_s'] / 3600:.1f}",
        f"{100 * row['gpu_s'] / total:.1f}" if total else "-",
        f"{row['failed_gpu_s'] / 3600:.1f}",
        f"{row['lost_gpu_s'] / 3600:.1f}",
        str(row["jobs"]),
        *(["-" if row[name] is None else duration(row[name]) for name in waits] if has_waits else []),
        "#" * round(_BAR * row["gpu_s"] / most) if most else "",
    )


def usage_rows(found: Json) -> Iterator[list[str]]:
    """Yield the values of each row, in the order of what it is added up by and of `COLUMNS`, as text."""
    for row in found["rows"]:
        hours = (f"{row[name] / 3600:.3f}" for name in ("gpu_s", "failed_gpu_s", "lost_gpu_s"))
        waits = (row[name] for name in COLUMNS[5:])
        rest = ("" if value is None else f"{value:.0f}" for value in waits)
        yield [*row["key"], row["period"] or "", *hours, str(row["jobs"]), *rest]
