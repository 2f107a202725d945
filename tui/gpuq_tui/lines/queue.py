"""The job table: one line a job."""

from __future__ import annotations

from dataclasses import dataclass

from gpuq.models import Job, JobState, Progress
from gpuq_tui.lines.duration import short
from gpuq_tui.lines.line import Line, Look, Tone, fit

STATE_CODES = {
    JobState.PENDING: ("PD", Tone.WARN),
    JobState.CONFIGURING: ("CF", Tone.WARN),
    JobState.RUNNING: ("R", Tone.GOOD),
    JobState.COMPLETING: ("CG", Tone.PLAIN),
    JobState.COMPLETED: ("CD", Tone.DIM),
    JobState.FAILED: ("F", Tone.BAD),
    JobState.CANCELLED: ("CA", Tone.DIM),
    JobState.TIMEOUT: ("TO", Tone.BAD),
}
"""State to its code of at most two letters. Source: Slurm, squeue, "JOB STATE CODES"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Widths in cells for one width of the table; the columns have one space between them."""

    job: int
    name: int
    user: int
    note: int

    @classmethod
    def of(cls, width: int, longest_id: int) -> Columns:
        """Return the widths that fill `width`, when ids have `longest_id` digits."""
        job = max(4, longest_id)
        spare = max(0, width - (2 + job + 1 + 3 + 4 + 7 + 3))  # mark, job, state, GPUs, time, three more gaps
        name = max(8, min(40, spare // 3))
        user = max(6, min(16, spare // 6))
        return cls(job=job, name=name, user=user, note=max(0, spare - name - user - 1))


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
            fit("WHY / PROGRESS", columns.note, look),
        )
    )
    return ((text, Tone.DIM),)


def row(job: Job, columns: Columns, *, now: float, look: Look) -> Line:
    """Return a job's line without the cursor, as of `now`."""
    code, tone = STATE_CODES[job.state]
    name, user = fit(job.name, columns.name, look), fit(job.user, columns.user, look)
    who = f"{fit(str(job.id), columns.job, look)} {name} {user} "
    rest = f" {job.gpus:>4} {short(elapsed_s(job, now)):>7} {fit(note(job, look), columns.note, look)}"
    return ((who, Tone.PLAIN), (f"{code:<2}", tone), (rest, Tone.PLAIN))


def elapsed_s(job: Job, now: float) -> float:
    """Return for how long the job waited, runs or ran, in seconds."""
    if job.started_at is None:
        return (now if job.ended_at is None else job.ended_at) - job.submitted_at
    return (now if job.ended_at is None else job.ended_at) - job.started_at


def note(job: Job, look: Look) -> str:
    """Return the most telling thing about a job in a few words: why it waits, how far it is, how it ended."""
    if job.state is JobState.PENDING:
        return str(job.reason) if job.reason else "not yet looked at"
    if job.state is JobState.CONFIGURING:
        up = sum(rank.state == "RUNNING" for rank in job.ranks)
        return f"starting, {up} of {job.workers} ranks run"
    if job.state in (JobState.FAILED, JobState.TIMEOUT):
        return job.error or f"exit {_or_unknown(job.exit_code)}"
    if job.progress is not None:
        return progress(job.progress, look)
    return {JobState.RUNNING: "no values yet", JobState.COMPLETING: "ending"}.get(job.state, "")


def progress(value: Progress, look: Look) -> str:
    """Return the newest point in words, with a sign when the value before it was another."""
    sign = ""
    if value.previous is not None and value.previous != value.value:
        sign = " " + (look.up if value.value > value.previous else look.down)
    return f"{value.tag} {value.value:.4g}{sign} step {value.step}"


def _or_unknown(number: int | None) -> str:
    return "unknown" if number is None else str(number)
