"""Figures of simulations as text: a table of policies, and bars."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from gpuq_daemon.simulate.summary import Summary

_BAR = 40

_COLUMNS: tuple[tuple[str, Callable[[Summary], str]], ...] = (
    ("POLICY", lambda s: s.policy + ("*" if s.knows else "")),
    ("JCT h", lambda s: f"{s.jct_h:.2f}"),
    ("p50", lambda s: f"{s.jct_p50_h:.2f}"),
    ("p95", lambda s: f"{s.jct_p95_h:.1f}"),
    ("SLOWD", lambda s: f"{s.slowdown:.1f}"),
    ("WAIT h", lambda s: f"{s.wait_h:.2f}"),
    ("MAX", lambda s: f"{s.longest_wait_h:.0f}"),
    ("16+GPU", lambda s: f"{s.large_wait_h:.1f}"),
    ("BUSY", lambda s: f"{s.busy_part:.3f}"),
    ("DEV %", lambda s: f"{100 * s.deviation_part:.1f}"),
    ("UNDER %", lambda s: f"{100 * s.under_part:.1f}"),
    ("WORST %", lambda s: f"{100 * s.worst_week_part:.0f}"),
    ("JAIN", lambda s: f"{s.jain:.3f}"),
    ("PREE/JOB", lambda s: f"{s.preemptions_per_job:.2f}"),
    ("LOST %", lambda s: f"{100 * s.lost_part:.2f}"),
    ("LOST GPU-h", lambda s: f"{s.lost_gpu_h:.0f}"),
    ("ms/PASS", lambda s: f"{s.pass_ms:.1f}"),
)


def table(summaries: Sequence[Summary]) -> str:
    """Return a line for each policy."""
    rows = [[name for name, _ in _COLUMNS], *([value(one) for _, value in _COLUMNS] for one in summaries)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
    lines = ["  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
             for row in rows]  # fmt: skip
    told = [f"* {one.policy} is told {one.knows}, which no scheduler can know." for one in summaries if one.knows]
    left = [f"{one.policy}: {one.unplaced} jobs could not run." for one in summaries if one.unplaced]
    return "\n".join([*lines, *told, *left])


def charts(summaries: Sequence[Summary]) -> str:
    """Return bars to compare by eye: times, waits by size, weeks, and what passes took."""
    parts = [
        bars("average JCT, hours", [(one.policy, one.jct_h) for one in summaries]),
        bars("longest wait, hours", [(one.policy, one.longest_wait_h) for one in summaries]),
        bars("shares missed, %", [(one.policy, 100 * one.deviation_part) for one in summaries]),
    ]
    for one in summaries:
        waits = [(f"{size.gpus} GPUs ({size.jobs} jobs)", size.wait_h) for size in one.by_size]
        parts.append(bars(f"{one.policy}: average wait by size, hours", waits))
    if len(summaries) == 1:
        only = summaries[0]
        weeks = [(f"week {number}", 100 * part) for number, part in enumerate(only.weeks_part, 1)]
        parts.append(bars(f"{only.policy}: shares missed by week, %", weeks))
    for one in summaries:
        took = [(f"{pace.waiting}+ waiting ({pace.passes} passes)", pace.ms) for pace in one.pass_times]
        parts.append(bars(f"{one.policy}: a pass, ms", took))
    return "\n\n".join(parts)


def bars(title: str, values: Iterable[tuple[str, float]]) -> str:
    """Return a bar for each value, the largest the longest."""
    values = list(values)
    most = max((value for _, value in values), default=0.0)
    width = max((len(name) for name, _ in values), default=0)
    lines = [
        f"  {name.ljust(width)}  {'█' * round(_BAR * value / most) if most > 0 else ''} {value:.4g}"
        for name, value in values
    ]
    return "\n".join([title, *lines])
