"""What of a job differs from what was last told of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple

from gpuq.models import Job, JobState, Reason

# What changes in the course of a job, and what may be changed of a pending one. The rest never changes, but for
# `priority`, which moves with every recalculation, and `charged_gpu_s`, which moves with time.
_COURSE = (
    "state",
    "reason",
    "start_at",
    "attempt",
    "started_at",
    "running_at",
    "ended_at",
    "application_id",
    "driver_pid",
    "nodes",
    "ranks",
    "exit_code",
    "error",
    "error_tail",
    "failed_rank",
    "end_reason",
    "retried",
    "silent_since",
    "log_uri",
    "checkpoint_uri",
    "progress",
    "signals",
    "damaged_events",
)
_ASKED = (
    "name",
    "partition",
    "workers",
    "gpus_per_worker",
    "gpus",
    "gpu_kind",
    "time_limit_s",
    "account",
    "qos",
    "gpu_type",
    "nodes_wanted",
    "exclusive",
    "layout",
    "cpus_per_worker",
    "memory_mib_per_worker",
    "nice",
    "is_top",
    "hold",
    "begin_at",
    "deadline",
    "dependency",
    "throttle",
    "reservation",
    "signal_s",
    "stop_on",
    "retries",
    "notify",
)
_course_of, _asked_of = attrgetter(*_COURSE), attrgetter(*_ASKED)
_STATE, _REASON, _START_AT, _ATTEMPT = map(_COURSE.index, ("state", "reason", "start_at", "attempt"))


class Told(NamedTuple):
    """What was last told of a job. Like values are one object: thousands of jobs that wait differ in little."""

    user: str
    course: tuple[Any, ...]
    asked: tuple[Any, ...]

    FIELDS = ("user", *_COURSE, *_ASKED)

    @property
    def values(self) -> tuple[Any, ...]:
        """The fields of the job by the names in `FIELDS`."""
        return (self.user, *self.course, *self.asked)

    @property
    def is_fresh(self) -> bool:
        """Whether the job waits and has never begun."""
        return self.course[_STATE] is JobState.PENDING and self.course[_ATTEMPT] == 0


def told(job: Job) -> Told:
    """Return what is told once the job's whole row has been."""
    return Told(job.user, _shared(_course_of(job)), _shared(_asked_of(job)))


_UNBEGUN = {
    **dict.fromkeys(_COURSE),
    **dict.fromkeys(("nodes", "ranks", "error_tail", "signals"), ()),
    **dict.fromkeys(("attempt", "retried", "damaged_events"), 0),
    "state": JobState.PENDING,
}
"""The course of a job that waits and has never begun."""


def told_unbegun(user: str, asked: Mapping[str, Any], reason: Reason, start_at: float | None) -> Told:
    """Return what is told of a job that waits and has never begun, by the fields that may be changed."""
    course = tuple({**_UNBEGUN, "reason": reason, "start_at": start_at}.values())
    return Told(user, _shared(course), _shared(tuple(asked[name] for name in _ASKED)))


def delta(before: Told, job: Job) -> dict[str, Any]:
    """Return the fields that differ, by name; what was charged comes with the end."""
    after = told(job)
    changed = dict(_differing(_COURSE, before.course, after.course))
    changed |= _differing(_ASKED, before.asked, after.asked)
    if "state" in changed and not job.state.holds_gpus and job.state is not JobState.PENDING:
        changed["charged_gpu_s"] = job.charged_gpu_s
    return changed


def with_outlook(before: Told, reason: Reason, start_at: float | None) -> tuple[Told, dict[str, Any]]:
    """Return what is told of a pending job once its reason and promised start are, and what of them differs."""
    course = before.course
    changed: dict[str, Any] = {}
    if course[_REASON] != reason:
        changed["reason"] = reason
    if course[_START_AT] != start_at:
        changed["start_at"] = start_at
    if not changed:
        return before, changed
    values = list(course)
    values[_REASON], values[_START_AT] = reason, start_at
    return before._replace(course=_shared(tuple(values))), changed


def _differing(names: tuple[str, ...], before: tuple[Any, ...], after: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    if before is not after:
        for name, old, new in zip(names, before, after, strict=True):
            if old != new:
                yield name, new


@lru_cache(maxsize=4096)
def _shared(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return values
