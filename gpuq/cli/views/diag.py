"""How gpuqd fares, as text."""

from __future__ import annotations

from gpuq.cli.views.table import facts, table
from gpuq.units import duration, moment, plural

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpuq.client import Json

_TIMES = ("N", "MEAN", "P50", "P99", "MAX", "LAST")


def diag_lines(diag: Json, *, width: int | None, mark: str = "…") -> list[str]:
    """Return all numbers, a paragraph for each part of gpuqd; what took no time yet is left out."""
    lines = facts(_facts(diag))
    for title, spreads in _parts(diag):
        rows = [(one["name"], *_times(one)) for one in spreads if one["count"]]
        lines += _part((title, *_TIMES), rows, width, mark)
    routes = [(one["spread"]["name"], *_times(one["spread"]), *_failures(one)) for one in diag["routes"]]
    return lines + _part(("API", *_TIMES, "REFUSED", "FAILED"), routes, width, mark)


def seconds(value: float) -> str:
    """Return a duration with three digits: `213 us`, `4.12 ms`, `1.50 s`."""
    for unit, name in ((1e-6, "us"), (1e-3, "ms")):
        if value < unit * 999.5:
            return f"{_three(value / unit)} {name}"
    return f"{_three(value)} s"


def _facts(diag: Json) -> list[tuple[str, str | None]]:
    return [
        ("gpuqd", f"{diag['version']}, pid {diag['pid']}, up {duration(diag['at'] - diag['started_at'])}"),
        ("counted since", moment(diag["since"])),
        ("jobs", f"{diag['pending']} pending, {diag['active']} active"),
        ("memory", f"{diag['rss_mib']:.0f} MiB, at most {diag['peak_rss_mib']:.0f} MiB"),
        ("processor", f"{diag['cpu_s']:.1f} s, {diag['threads']} threads"),
        ("connections", f"{diag['connections']} open"),
        ("requests", f"{diag['in_flight']} under way, {diag['streaming']} of them streams"),
        ("files", f"{diag['open_files']} of {diag['most_files']} open"),
        ("writes", f"{diag['writes']} committed since the start"),
        *(
            (f"engine {one['partition']}", one["wrong"] or f"well, {plural(one['nodes'], 'node')}")
            for one in diag["engines"]
        ),
    ]


def _parts(diag: Json) -> list[tuple[str, list[Json]]]:
    return [
        ("EVENT LOOP", [diag["lag"]]),
        ("SCHEDULING", diag["passes"]),
        ("COMMITS", diag["commits"]),
        ("QUERIES", diag["queries"]),
        ("INGEST", [diag["looks"], diag["point_age"]]),
        ("SLOW STATEMENTS", diag["slow"]),
    ]


def _part(header: Sequence[str], rows: list[tuple[str, ...]], width: int | None, mark: str) -> list[str]:
    if not rows:
        return []
    widest = {header[0]: 40 if width is None else max(20, width - 58)}
    return ["", *table(header, rows, right=frozenset(header[1:]), width=width, widest=widest, mark=mark)]


def _times(spread: Json) -> tuple[str, ...]:
    return str(spread["count"]), *(seconds(spread[key]) for key in ("mean_s", "p50_s", "p99_s", "max_s", "last_s"))


def _failures(route: Json) -> tuple[str, str]:
    return str(route["refused"]), str(route["failed"])


def _three(value: float) -> str:
    return f"{value:.{0 if value >= 99.95 else 1 if value >= 9.995 else 2}f}"
