"""What a job has come through: each moment in a line, and all of it along a line of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gpuq.models import Job, Message
from gpuq.scale import axis
from gpuq.summaries import Checkpoint
from gpuq.tracing import Trace
from gpuq.units import moment, plural, size
from gpuq_tui.lines.line import Line, Look, Tone, fit, line, wrap
from gpuq_tui.lines.queue import STATE_CODES, note

_LABEL = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Something that happened to a job."""

    at: float
    text: str
    tone: Tone = Tone.PLAIN


def moments(job: Job, traces: Sequence[Trace], checkpoints: Sequence[Checkpoint]) -> list[Moment]:
    """Return what is known to have happened, oldest first."""
    found = [Moment(at=job.submitted_at, text=f"submitted by {job.user}")]
    for trace in _earlier(job, traces):
        where = " ".join(dict.fromkeys(rank.node or rank.host for rank in trace.ranks))
        if trace.started_at is not None:
            found.append(Moment(at=trace.started_at, text=f"attempt {trace.attempt} starts on {where or 'its nodes'}"))
        if trace.ended_at is not None:
            why = f": {trace.end_reason}" if trace.end_reason else ""
            found.append(Moment(at=trace.ended_at, text=f"attempt {trace.attempt} ends{why}", tone=Tone.BAD))
    if job.started_at is not None:
        where = " ".join(job.nodes) or "its nodes"
        found.append(Moment(at=job.started_at, text=f"attempt {job.attempt} starts on {where}"))
    if job.running_at is not None:
        found.append(Moment(at=job.running_at, text=f"all {plural(job.rank_count, 'rank')} run", tone=Tone.GOOD))
    found += [
        Moment(
            at=one.wall_time,
            text=f"! {one.text}" + ("" if one.attempt == job.attempt else f" ({one.attempt})"),
            tone=Tone.BAD,
        )
        for one in job.signals
    ]
    found += [
        Moment(at=one.saved_at, text=f"checkpoint {one.name}, {size(one.bytes)}", tone=Tone.DIM) for one in checkpoints
    ]
    if job.ended_at is not None:
        found.append(Moment(at=job.ended_at, text=_ended(job), tone=STATE_CODES[job.state][1]))
    return sorted(found, key=lambda one: one.at)


def told(messages: Sequence[Message]) -> list[Moment]:
    """Return what the owner was told, or is to be; of a webhook only the host, for the rest is its secret."""
    found: list[Moment] = []
    for one in messages:
        where = "/".join(one.address.split("/", 3)[:3]) if one.kind == "webhook" else one.address
        why = f" ({one.said})" if one.said and one.state != "sent" else ""
        tone = Tone.BAD if one.state == "dropped" else Tone.WARN if one.state == "waiting" and one.tries else Tone.DIM
        found.append(
            Moment(at=one.at, text=f"told {one.user} of {one.event} by {one.kind} {where}: {one.state}{why}", tone=tone)
        )
    return found


def event_lines(
    job: Job,
    traces: Sequence[Trace],
    checkpoints: Sequence[Checkpoint],
    messages: Sequence[Message] = (),
    *,
    width: int,
    look: Look,
) -> list[Line]:
    """Return a line for each moment, and where the job stands now."""
    lines: list[Line] = []
    for one in sorted([*moments(job, traces, checkpoints), *told(messages)], key=lambda one: one.at):
        first, *more = wrap(one.text, width - 21, most=5)
        lines.append(((f"{moment(one.at)}  ", Tone.DIM), (first, one.tone)))
        lines += [line(" " * 21 + part, one.tone) for part in more]
    if not job.state.is_final:
        _, tone = STATE_CODES[job.state]
        stands = note(job)
        lines.append(((f"{'now':<21}", Tone.DIM), (fit(f"{job.state} {stands}".strip(), width - 21, look), tone)))
    return lines


def timeline_lines(
    job: Job, traces: Sequence[Trace], checkpoints: Sequence[Checkpoint], *, now: float, width: int, look: Look
) -> list[Line]:
    """Return a row for the wait, each attempt, the checkpoints and the signals, below each other along time."""
    begin, end = job.submitted_at, max(job.submitted_at + 1, job.ended_at or now)
    room = max(10, width - _LABEL - 1)
    time = _Time(begin=begin, end=end, room=room)
    past = [trace for trace in _earlier(job, traces) if trace.started_at is not None]
    first = min([trace.started_at for trace in past if trace.started_at is not None] + [job.started_at or end])
    rows = [_row("waits", time.bar(begin, first, "."), Tone.WARN)]
    for trace in past:
        until = trace.ended_at or job.started_at or end
        told = f" {trace.end_reason or 'ended'}"
        rows.append(
            _row(
                f"attempt {trace.attempt}",
                _noted(time.bar(trace.started_at or begin, until, "="), told, room),
                Tone.BAD,
            )
        )
    if job.started_at is not None:
        up = job.running_at or job.ended_at or end
        came, ran = time.bar(job.started_at, up, ":"), time.bar(up, job.ended_at or end, "=")
        bar = "".join(b if b != " " else a for a, b in zip(came.ljust(room), ran.ljust(room), strict=True)).rstrip()
        told = f" {job.state}" if job.state.is_final else ""
        rows.append(_row(f"attempt {job.attempt}", _noted(bar, told, room), STATE_CODES[job.state][1]))
    if checkpoints:
        rows.append(_row("checkpoints", time.marks([one.saved_at for one in checkpoints], "o"), Tone.PLAIN))
    if job.signals:
        rows.append(_row("signals", time.marks([one.wall_time for one in job.signals], "!"), Tone.BAD))
    key = ". waits  : comes up  = runs  o checkpoint  ! signal"
    return [*rows, *time.ticks(), line(""), line(fit(key, width, look), Tone.DIM), line("")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Time:
    """A line of time from `begin` to `end` in `room` cells."""

    begin: float
    end: float
    room: int

    def place(self, at: float) -> int:
        share = (at - self.begin) / (self.end - self.begin)
        return max(0, min(self.room - 1, int(share * self.room)))

    def bar(self, since: float, until: float, sign: str) -> str:
        """Return a bar, at least one cell long where it lasts at all."""
        if until <= since:
            return ""
        low = self.place(since)
        return " " * low + sign * max(1, self.place(until) - low + (until >= self.end))

    def marks(self, places: Sequence[float], sign: str) -> str:
        cells = [" "] * self.room
        for at in places:
            cells[self.place(at)] = sign
        return "".join(cells).rstrip()

    def ticks(self) -> list[Line]:
        """Return times since the submission, where there is room for them."""
        text = ""
        for at, told in axis(0.0, self.end - self.begin, max(2, self.room // 16), is_time=True):
            place = self.place(self.begin + at)
            if place >= len(text) + (2 if text else 0) and place + len(told) <= self.room:
                text = text.ljust(place) + told
        return [_row("since then", text, Tone.DIM)]


def _row(label: str, text: str, tone: Tone) -> Line:
    return ((label[:_LABEL].ljust(_LABEL + 1), Tone.STRONG), (text, tone))


def _noted(bar: str, told: str, room: int) -> str:
    """Return a bar with a word behind it, or in front of it where there is no room behind."""
    if len(bar) + len(told) <= room:
        return bar + told
    low = len(bar) - len(bar.lstrip(" "))
    return told.strip().rjust(low - 1) + bar[low - 1 :] if low > len(told) else bar


def _earlier(job: Job, traces: Sequence[Trace]) -> list[Trace]:
    found = {trace.attempt: trace for trace in traces if trace.job_id == job.id and 0 < trace.attempt < job.attempt}
    return [found[attempt] for attempt in sorted(found)]


def _ended(job: Job) -> str:
    code = "" if job.exit_code is None else f", exit code {job.exit_code}"
    rank = "" if job.failed_rank is None else f", rank {job.failed_rank} first"
    return f"{job.state}{code}{rank}" + (f": {job.error}" if job.error else "")
