"""Everything about one job, for the overview of its screen."""

from __future__ import annotations

from gpuq.models import Job, JobState, Rank
from gpuq.units import moment, plural, servers
from gpuq_tui.lines.duration import short
from gpuq_tui.lines.line import Line, Look, Tone, line, wrap
from gpuq_tui.lines.queue import STATE_CODES, elapsed, note, progress

_RANK_TONES = {"RUNNING": Tone.GOOD, "FAILED": Tone.BAD, "LOST": Tone.BAD}
_MOST_RANKS = 1000
_MOST_NODES = 50


def overview_lines(job: Job, why_text: str | None, *, now: float, width: int, look: Look) -> list[Line]:
    """Return state, times, GPUs, ranks, accounting and the failed rank's last lines, wrapped to `width`."""
    lines = [*_state(job, why_text, now, width, look), *_times(job, now, width), *_gpus(job, width)]
    lines += _error(job, width)
    lines += [part for rank in job.ranks[:_MOST_RANKS] for part in _rank(rank, job, width)]
    lines += _origin(job, width)
    return lines


def _state(job: Job, why_text: str | None, now: float, width: int, look: Look) -> list[Line]:
    _, tone = STATE_CODES[job.state]
    attempt = f", attempt {job.attempt}" if job.attempt else ""
    exit_code = "" if job.exit_code is None else f", exit code {job.exit_code}"
    state = f"{job.state} for" if not job.state.is_final else f"{job.state} after"
    lines = _entry("State", f"{state} {elapsed(job, now)}{attempt}{exit_code}", width, tone)
    if job.state is JobState.PENDING:
        return lines + _entry("Why", why_text or note(job), width)
    if job.progress is not None:
        lines += _entry("Latest", progress(job.progress), width)
    for signal in job.signals:
        lines += _entry("Signal", signal.text, width, Tone.BAD)
    return lines


def _times(job: Job, now: float, width: int) -> list[Line]:
    moments = (("submitted", job.submitted_at), ("started", job.started_at), ("running", job.running_at))
    parts, day = list[str](), ""
    for word, at in (*moments, ("ended", job.ended_at)):
        if at is not None:
            its_day, clock = moment(at).split(" ")
            parts.append(f"{word} {clock if its_day == day else f'{its_day} {clock}'}")
            day = its_day
    limit = "no time limit"
    if job.time_limit_s is not None:
        limit = f"time limit {short(job.time_limit_s)}"
        if job.started_at is not None and job.ended_at is None:
            limit += f" ({short(job.started_at + job.time_limit_s - now)} left)"
    return _entry("Times", ", ".join([*parts, limit]), width)


def _gpus(job: Job, width: int) -> list[Line]:
    asked = f"{plural(job.gpus, job.gpu_kind)} = {plural(job.workers, 'worker')} x {job.gpus_per_worker}"
    asked = ", ".join([asked, *servers(job.ps, evaluator=job.evaluator)])
    where = f" on {' '.join(job.nodes[:_MOST_NODES])}" if job.nodes else ""
    charged = f"; charged {job.charged_gpu_s / 3600:.2f} GPU-h"
    return _entry("GPUs", asked + where + charged, width)


def _error(job: Job, width: int) -> list[Line]:
    if job.error is None:
        return []
    rank = "" if job.failed_rank is None else f" (rank {job.failed_rank})"
    lines = _entry("Error", job.error + rank, width, Tone.BAD)
    return lines + [line("  | " + part) for tail in job.error_tail[-20:] for part in wrap(tail, width - 4, most=5)]


def _rank(rank: Rank, job: Job, width: int) -> list[Line]:
    parts = [rank.role, str(rank.state), f"on {rank.node or rank.host}"]
    parts += [f"host {rank.host}"] if rank.node and rank.node != rank.host else []
    parts += [] if rank.pid is None else [f"pid {rank.pid}"]
    parts += [f"GPU {','.join(rank.gpus)}"] if rank.gpus else []
    parts += [] if rank.exit_code is None else [f"exit code {rank.exit_code}"]
    parts += [] if rank.rows is None else [plural(rank.rows, "row")]
    parts += ["failed first"] if rank.rank == job.failed_rank else []
    return _entry(f"Rank {rank.rank}", "  ".join(parts), width, _RANK_TONES.get(rank.state, Tone.PLAIN))


def _origin(job: Job, width: int) -> list[Line]:
    words = " ".join((job.script_name, *job.args[:100]))
    lines = _entry("Script", f"{words}  sha256 {job.script_sha256[:12]}", width)
    parts = [f"partition {job.partition}"]
    parts += [f"application {job.application_id}"] if job.application_id else []
    parts += [] if job.driver_pid is None else [f"driver pid {job.driver_pid}"]
    parts += [f"logs {job.log_uri}"] if job.log_uri else []
    return lines + _entry("Run", ", ".join(parts), width)


def _entry(word: str, text: str, width: int, tone: Tone = Tone.PLAIN) -> list[Line]:
    indent = max(8, len(word) + 1)
    first, *more = wrap(text, width - indent, most=12)
    return [
        ((word.ljust(indent), Tone.STRONG), (first, tone)),
        *(line(" " * indent + part, tone) for part in more),
    ]
