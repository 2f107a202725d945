"""The job table: one line a job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gpuq.coming_up import coming_up
from gpuq.models import Cluster, Job, JobState, Progress, Reason
from gpuq.units import moment, number, plural
from gpuq_tui.lines.duration import short
from gpuq_tui.lines.line import Line, Look, Tone, fit, line

STATE_CODES = {
    JobState.PENDING: ("PD", Tone.WARN),
    JobState.CONFIGURING: ("CF", Tone.WARN),
    JobState.RUNNING: ("R", Tone.GOOD),
    JobState.COMPLETING: ("CG", Tone.PLAIN),
    JobState.COMPLETED: ("CD", Tone.DIM),
    JobState.FAILED: ("F", Tone.BAD),
    JobState.CANCELLED: ("CA", Tone.DIM),
    JobState.TIMEOUT: ("TO", Tone.BAD),
    JobState.DEADLINE: ("DL", Tone.BAD),
}
"""State to its code of at most two letters. Source: Slurm, squeue, "JOB STATE CODES"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Widths in cells for one width of the table; the columns have one space between them."""

    job: int
    name: int
    user: int
    note: int
    extras: tuple[str, ...] = ()

    @classmethod
    def of(cls, width: int, longest_id: int, extras: Sequence[str] = ()) -> Columns:
        """Return the widths that fill `width`, when ids have `longest_id` digits; `extras` as far as there is room."""
        job = max(4, longest_id)
        spare = max(0, width - (2 + job + 1 + 3 + 4 + 7 + 3))  # mark, job, state, GPUs, time, three more gaps
        shown: list[str] = []
        for extra in extras:
            if spare - EXTRAS[extra].width - 1 >= _LEAST:
                spare -= EXTRAS[extra].width + 1
                shown.append(extra)
        name = max(8, min(40, spare // 3))
        user = max(6, min(16, spare // 6))
        note = max(0, spare - name - user - 1)
        return cls(job=job, name=name, user=user, note=note, extras=tuple(shown))


@dataclass(frozen=True, slots=True, kw_only=True)
class Extra:
    """A column that is shown where it is asked for: its cells, what stands in them, and what that means."""

    width: int
    text: Callable[[Job], str]
    means: str


_LEAST = 8 + 6 + 1 + 10  # cells of name, user and note
EXTRAS = {
    "account": Extra(width=10, text=lambda job: job.account, means="who pays"),
    "partition": Extra(width=10, text=lambda job: job.partition, means="where it runs"),
    "qos": Extra(width=8, text=lambda job: job.qos, means="its quality of service"),
    "priority": Extra(
        width=9, text=lambda job: "-" if job.priority is None else str(job.priority), means="the sum of its terms"
    ),
    "start": Extra(
        width=16,
        text=lambda job: "-" if job.p50_at is None or job.started_at is not None else moment(job.p50_at)[:16],
        means="when it is estimated to start",
    ),
    "attempt": Extra(width=7, text=lambda job: str(job.attempt), means="how often it has begun"),
}
"""Columns that may stand before the last one, in their order."""


def heading(columns: Columns, look: Look) -> Line:
    """Return the line above the jobs."""
    text = " ".join(
        (
            " ",
            fit("JOB", columns.job, look),
            fit("NAME", columns.name, look),
            fit("USER", columns.user, look),
            "ST",
            " GPU",
            "   TIME",
            *(fit(name.upper(), EXTRAS[name].width, look) for name in columns.extras),
            fit("WHY / PROGRESS", columns.note, look),
        )
    )
    return ((text, Tone.DIM),)


def row(job: Job, columns: Columns, *, now: float, look: Look, free: Mapping[str, int] | None = None) -> Line:
    """Return a job's line without the cursor, as of `now`; `free` is as `free_gpus` returns it."""
    code, tone = STATE_CODES[job.state]
    name, user = fit(job.name, columns.name, look), fit(job.user, columns.user, look)
    who = f"{fit(job.shown_id, columns.job, look)} {name} {user} "
    extras = "".join(f"{fit(EXTRAS[name].text(job), EXTRAS[name].width, look)} " for name in columns.extras)
    told = fit(note(job, free, width=columns.note), columns.note, look)
    rest = f" {job.gpus:>4} {elapsed(job, now):>7} {extras}{told}"
    return ((who, Tone.PLAIN), (f"{code:<2}", tone), (rest, Tone.PLAIN))


def elapsed_s(job: Job, now: float) -> float:
    """Return for how long the job waits, runs or ran, in seconds; 0 where it ended without a start."""
    if job.started_at is None:
        return now - job.submitted_at if job.ended_at is None else 0.0
    return (now if job.ended_at is None else job.ended_at) - job.started_at


def elapsed(job: Job, now: float) -> str:
    """Return the same as people read it; `-` where it ended without a start."""
    return "-" if job.started_at is None and job.ended_at is not None else short(elapsed_s(job, now))


def free_gpus(cluster: Cluster) -> Mapping[str, int]:
    """Return how many GPUs are free in each partition, on nodes that are up."""
    free = Counter[str]()
    for node in cluster.nodes:
        if node.is_up:
            free[node.partition] += node.free_gpus
    return free


def nothing_lines(*, everything: bool, filtered: str) -> Sequence[Line]:
    """Return what to say where no job is listed: why that is, and what can be done."""
    if filtered:
        return (line("  No job passes the filter; esc takes it away."),)
    enqueue = line("  `gpuq enqueue script.py` queues one")
    if everything:
        return line("  There are no jobs yet."), enqueue
    return line("  No job waits or runs."), line("  `a` shows ended jobs"), enqueue


def note(job: Job, free: Mapping[str, int] | None = None, *, width: int = 1000) -> str:
    """Return the most telling thing about a job in a few words: why it waits, how far it is, how it ended.

    `free` is as `free_gpus` returns it, None if nobody knows; what does not fit in `width` cells may be left out.
    """
    if job.state is JobState.PENDING:
        return _waiting(job, free, width)
    if job.state is JobState.CONFIGURING:
        return coming_up(job.rank_count, job.nodes, [rank.node for rank in job.ranks])
    if job.state in (JobState.FAILED, JobState.TIMEOUT, JobState.DEADLINE):
        return job.error or f"exit {_or_unknown(job.exit_code)}"
    if job.signals and not job.state.is_final:
        return "! " + job.signals[-1].text
    if job.progress is not None:
        return progress(job.progress)
    return {JobState.RUNNING: "no values yet", JobState.COMPLETING: "ending"}.get(job.state, "")


def progress(newest: Progress) -> str:
    """Return `loss 0.412 @ 240 v`, as `gpuq queue` does: tag, value, step; `v` falls, `^` rises."""
    return f"{newest.tag} {_measured(newest.value)} @ {newest.step}{_trend(newest.value, newest.previous)}"


def _measured(value: float | None) -> str:
    return "NaN" if value is None else number(value)  # JSON has no NaN: gpuqd sends null


def _trend(value: float | None, previous: float | None) -> str:
    if value is None or previous is None or value == previous:
        return ""
    return " v" if value < previous else " ^"


def _waiting(job: Job, free: Mapping[str, int] | None, width: int) -> str:
    if job.reason is not Reason.RESOURCES or free is None:
        return str(job.reason) if job.reason else "not yet looked at"
    arithmetic = f"needs {plural(job.gpus, 'GPU')}, {free.get(job.partition, 0)} free"
    whole = f"{job.reason}: {arithmetic}"
    return whole if len(whole) <= width else arithmetic


def _or_unknown(number: int | None) -> str:
    return "unknown" if number is None else str(number)
