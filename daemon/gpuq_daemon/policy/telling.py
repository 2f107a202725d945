"""What is told of a job: which events, in which words. Foreign text in them is one clean line each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gpuq.models import FINAL_STATES, JobState, Signal
from gpuq.notices import LIMITS, SIGNALS, TASKS
from gpuq.text import clean, fit
from gpuq.units import duration, plural

_FAILED = (JobState.FAILED, JobState.TIMEOUT, JobState.DEADLINE)
_LONGEST = 400
_CHAT_MARKS = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A job that something is told of; times are those of its attempt `attempt`."""

    job_id: int
    name: str
    user: str
    uid: int
    account: str
    partition: str
    state: JobState
    attempt: int
    notify: str
    notify_to: str | None = None
    exit_code: int | None = None
    error: str | None = None
    array_id: int | None = None
    array_index: int | None = None
    time_limit_s: int | None = None
    submitted_at: float = 0.0
    started_at: float | None = None
    running_at: float | None = None
    ended_at: float | None = None

    @property
    def is_as_a_whole(self) -> bool:
        """Whether it is a task of an array that is told of as a whole."""
        return self.array_id is not None and TASKS not in self.notify.split(",")

    @property
    def shown(self) -> str:
        """What people call it."""
        if self.array_id is None:
            return f"Job {self.job_id}"
        return f"Array {self.array_id}" if self.is_as_a_whole else f"Job {self.array_id}_{self.array_index}"

    def wants(self, event: str) -> bool:
        """Return whether its owner asked for this event."""
        return event in self.notify.split(",")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something to tell. `id` is the same however often it is told; `tasks` are an array's, by state."""

    id: str
    event: str
    text: str
    at: float
    job_id: int
    name: str
    user: str
    account: str
    partition: str
    state: JobState
    attempt: int
    exit_code: int | None = None
    error: str | None = None
    ran_s: float | None = None
    tasks: Mapping[str, int] | None = None


def of_state(subject: Subject, state: JobState, now: float) -> Notice | None:
    """Return what is told of a job that has come into this state, None if nobody asked for it."""
    event = _event_of(state, subject)
    if event is None:
        return None
    if subject.is_as_a_whole:
        if state is not JobState.RUNNING:
            return None  # told when all of it has ended
        return _notice(subject, f"{subject.array_id}.array.started", "started", "has started", now)
    is_current = subject.state is state
    said = {
        JobState.RUNNING: f"has started, after {_span(subject.submitted_at, subject.started_at or now)} in the queue",
        JobState.PENDING: "waits again, to be run once more",
    }.get(state) or _end(subject, state, is_current=is_current)
    key = f"{subject.job_id}.{subject.attempt}.{state}"
    return _notice(subject, key, event, said, now, state=state, has_end=is_current and state in FINAL_STATES)


def of_array(subject: Subject, tasks: Mapping[str, int], attempts: int, now: float) -> Notice | None:
    """Return what is told of a whole array that has ended, given its tasks by state; None if nobody asked for it.

    `attempts` are those of all its tasks: if some run again, it is told again.
    """
    failed = sum(count for state, count in tasks.items() if JobState(state) in _FAILED)
    if not subject.wants("ended") and not (failed and subject.wants("failed")):
        return None
    counts = ", ".join(f"{count} {state}" for state, count in sorted(tasks.items()))
    state = JobState.FAILED if failed else JobState.COMPLETED
    said = f"has ended: of {plural(sum(tasks.values()), 'task')} {counts}"
    event = "failed" if failed else "ended"
    key = f"{subject.array_id}.array.ended.{attempts}"
    return _notice(subject, key, event, said, now, state=state, tasks=dict(tasks))


def of_course(subject: Subject, signals: Sequence[Signal], *, silent_since: float | None, now: float) -> list[Notice]:
    """Return what is told of how a running job goes: signals, silence, and how near its limit is. Each once."""
    found = [
        _of_course(subject, signal.kind.value, f"{signal.kind.value} ({_line(signal.text)})", now)
        for signal in signals
        if signal.attempt == subject.attempt and subject.wants(signal.kind.value)
    ]
    if silent_since is not None and subject.wants("silent"):
        found.append(_of_course(subject, "silent", f"has told nothing for {_span(silent_since, now)}", now))
    limit = subject.time_limit_s
    for event, part in LIMITS.items():
        ran_s = 0.0 if subject.started_at is None else now - subject.started_at
        if limit is not None and subject.wants(event) and part * limit <= ran_s and subject.state.holds_gpus:
            said = f"is to end in {duration(max(0.0, limit - ran_s))}: {part:.0%} of its time limit is over"
            found.append(_of_course(subject, event, said, now))
    return list({notice.id: notice for notice in found}.values())


def wants_of_course(subject: Subject) -> bool:
    """Return whether its owner is to be told of anything that `of_course` tells."""
    return any(map(subject.wants, (*SIGNALS, *LIMITS, "silent")))


def title(notice: Notice, cluster: str) -> str:
    """Return one line for a mail's subject."""
    return f"{_line(cluster)}: {notice.text}"


def letter(notice: Notice) -> str:
    """Return the text of a mail."""
    rows = [
        ("job", str(notice.job_id)), ("name", notice.name), ("user", notice.user), ("account", notice.account),
        ("partition", notice.partition), ("state", notice.state.value), ("attempt", str(notice.attempt)),
        ("exit code", "" if notice.exit_code is None else str(notice.exit_code)),
        ("ran", "" if notice.ran_s is None else duration(notice.ran_s)), ("error", notice.error or ""),
        *((f"tasks {state}", str(count)) for state, count in sorted((notice.tasks or {}).items())),
    ]  # fmt: skip
    lines = [f"{name + ':':<12} {_line(value)}" for name, value in rows if value]
    return "\n".join((notice.text, "", *lines, "", f"More: gpuq show {notice.job_id}", ""))


def chat_text(notice: Notice, cluster: str) -> str:
    """Return the text of a chat message; a name in it cannot call people or make links.

    Source: Slack, "Formatting text for app surfaces", escaping.
    """
    return title(notice, cluster).translate(_CHAT_MARKS)


def _event_of(state: JobState, subject: Subject) -> str | None:
    """Return the event that a state is, if it was asked for."""
    events = {JobState.RUNNING: ("started",), JobState.PENDING: ("requeued",)}.get(state)
    if events is None:
        events = ("failed", "ended") if state in _FAILED else ("ended",)
    if subject.is_as_a_whole:
        return "started" if state is JobState.RUNNING and subject.wants("started") else None
    return events[0] if any(map(subject.wants, events)) else None


def _end(subject: Subject, state: JobState, *, is_current: bool) -> str:
    ran = f" after {_span(subject.started_at, subject.ended_at)}" if subject.started_at and subject.ended_at else ""
    if not is_current:
        return f"was {state}{ran}"
    code = "" if subject.exit_code in (None, 0) else f", exit code {subject.exit_code}"
    why = f": {_line(subject.error).rstrip('.')}" if subject.error else ""
    return f"is {state}{ran}{code}{why}"


def _of_course(subject: Subject, event: str, said: str, now: float) -> Notice:
    key = (
        f"{subject.array_id}.array.{event}" if subject.is_as_a_whole else f"{subject.job_id}.{subject.attempt}.{event}"
    )
    return _notice(subject, key, event, f"task {subject.array_index} {said}" if subject.is_as_a_whole else said, now)


def _notice(
    subject: Subject,
    key: str,
    event: str,
    said: str,
    now: float,
    *,
    state: JobState | None = None,
    has_end: bool = False,
    tasks: Mapping[str, int] | None = None,
) -> Notice:
    ran_s = None
    if has_end and subject.started_at is not None and subject.ended_at is not None:
        ran_s = max(0.0, subject.ended_at - subject.started_at)
    return Notice(
        id=key,
        event=event,
        text=fit(f"{subject.shown} ({_line(subject.name)}) {said}.", _LONGEST),
        at=now,
        job_id=subject.array_id if subject.is_as_a_whole and subject.array_id is not None else subject.job_id,
        name=subject.name,
        user=subject.user,
        account=subject.account,
        partition=subject.partition,
        state=subject.state if state is None else state,
        attempt=subject.attempt,
        exit_code=subject.exit_code if has_end else None,
        error=subject.error if has_end else None,
        ran_s=ran_s,
        tasks=tasks,
    )


def _span(since: float | None, until: float | None) -> str:
    return "" if since is None or until is None else duration(max(0.0, until - since))


def _line(text: str) -> str:
    return fit(clean(text).replace("\n", " "), 200)
