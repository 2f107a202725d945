"""Why a job is where it is, for the pane beside the table."""

from __future__ import annotations

from gpuq.models import Holder, Job, JobState, Why
from gpuq.units import moment, plural, time_about
from gpuq_tui.lines.bars import bar
from gpuq_tui.lines.duration import short
from gpuq_tui.lines.line import Line, Look, Tone, line, wrap
from gpuq_tui.lines.queue import elapsed, note


def title(job: Job, now: float) -> str:
    """Return the pane's heading: which job, whose, its state and for how long."""
    return f"{job.shown_id} {job.name[:60]} ({job.user[:30]}) {job.state} {elapsed(job, now)}"


def why_lines(job: Job, why: Why | None, *, now: float, width: int, look: Look) -> list[Line]:
    """Return what is known of the job's place, wrapped to `width`; `why` None is not answered yet."""
    lines: list[Line] = []
    if why is None or why.job_id != job.id:
        lines += _entry("Why", "asking gpuqd" + look.cut, width, Tone.DIM)
    else:
        lines += _entry("Why", why.text, width)
        if job.state is JobState.PENDING:
            lines += _entry("GPUs", _arithmetic(why), width)
            lines += [part for holder in why.held_by[:20] for part in _holder(holder, now, width)]
    if job.state is not JobState.PENDING:
        lines += _entry("Now" if not job.state.is_final else "End", note(job) or str(job.state), width)
    if job.nodes:
        lines += _entry("Nodes", " ".join(job.nodes[:50]), width)
    return lines


def whole_lines(job: Job, why: Why | None, *, now: float, width: int, look: Look) -> list[Line]:
    """Return all of it: the reason, when it starts, every term of its priority as a bar, how its account stands."""
    lines = why_lines(job, why, now=now, width=width, look=look)
    if why is None or why.job_id != job.id:
        return lines
    if why.start_at is not None:
        lines += _entry("Start", f"promised by {moment(why.start_at)}, in {short(why.start_at - now)} at most", width)
    if why.p50_at is not None:
        late = "" if why.p90_at is None else f", in 9 of 10 cases by {time_about(max(why.p90_at, now), now)}"
        lines += _entry("About", f"{time_about(max(why.p50_at, now), now)}{late}", width)
    if why.gpu_h_ahead:
        lines += _entry("Ahead", f"at most {why.gpu_h_ahead:.1f} GPU-hours by the time limits of who is ahead", width)
    if why.share_text is not None:
        lines += _entry("Share", why.share_text, width)
    if why.terms:
        lines.append(line(""))
        lines += _entry("Prio", f"{why.priority} = the sum of", width)
        most = max(1, *(abs(term.points) for term in why.terms))
        for term in why.terms:
            words = f"{term.name:<10} {term.points:>7} "
            drawn = bar(abs(term.points), most, max(4, min(40, width - 36)))
            factor = "" if term.name == "nice" else f" {term.weight} x {term.factor:.4f}"
            lines.append(((" " * 6 + words, Tone.PLAIN), (drawn, Tone.DIM), (factor, Tone.PLAIN)))
    return lines


def _arithmetic(why: Why) -> str:
    ahead = f"; {_ahead(why.jobs_ahead)} {why.gpus_ahead}" if why.jobs_ahead else ""
    return f"needs {why.needs_gpus}, free {why.free_gpus} of {why.total_gpus}{ahead}"


def _ahead(jobs: int) -> str:
    return "1 job ahead wants" if jobs == 1 else f"{jobs} jobs ahead want"


def _holder(holder: Holder, now: float, width: int) -> list[Line]:
    until = "no time limit" if holder.until is None else f"at most {short(holder.until - now)} more"
    return _entry(
        "Held", f"{plural(holder.gpus, 'GPU')} by job {holder.task or holder.job_id} of {holder.user} ({until})", width
    )


def _entry(word: str, text: str, width: int, tone: Tone = Tone.PLAIN) -> list[Line]:
    first, *more = wrap(text, width - 6)
    head: Line = ((f"{word:<6}", Tone.STRONG), (first, tone))
    return [head, *(line(" " * 6 + part, tone) for part in more)]
