"""Whether a job may start at all now, room and limits aside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from gpuq.models import Reason
from gpuq_daemon.policy.dependency import Fate, Standing, standing
from gpuq_daemon.policy.reservation import Reservation
from gpuq_daemon.policy.snapshot import Hold, PendingJob


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What conditions are about: the time, what became of others, and the reservations by name."""

    now: float
    fates: Mapping[int, Fate]
    reservations: Mapping[str, Reservation]


def unmet(job: PendingJob, facts: Facts, *, is_alone: bool) -> Reason | None:
    """Return the condition that keeps the job from starting, or None.

    `is_alone`: no earlier job of the same user and name is pending or active.
    """
    if is_late(job, facts.now):
        return Reason.DEADLINE  # held or not: it is dropped
    if job.hold is not None:
        return Reason.HELD_BY_ADMIN if job.hold is Hold.ADMIN else Reason.HELD_BY_USER
    if job.dependencies:
        stands = [standing(one, facts.fates, is_alone=is_alone) for one in job.dependencies]
        if Standing.NEVER in stands:
            return Reason.DEPENDENCY_NEVER
        if Standing.OPEN in stands:
            return Reason.DEPENDENCY
    if job.begin_at is not None and facts.now < job.begin_at:
        return Reason.BEGIN_TIME
    if job.reservation is not None and not _is_open(facts.reservations.get(job.reservation), job, facts.now):
        return Reason.RESERVATION
    return None


def is_late(job: PendingJob, now: float) -> bool:
    """Return whether the job can no longer meet its deadline."""
    return now > latest_start(job)


def latest_start(job: PendingJob) -> float:
    """Return when the job must start to meet its deadline, infinity without one."""
    return inf if job.deadline is None else job.deadline - (job.time_limit_s or 0)


def next_change(job: PendingJob, facts: Facts) -> float:
    """Return when time alone may change `unmet`, infinity if never."""
    moments = [latest_start(job), inf if job.begin_at is None else job.begin_at]
    reservation = facts.reservations.get(job.reservation) if job.reservation is not None else None
    if reservation is not None:
        moments += [reservation.start_at, reservation.end_at]
    # `is_late` becomes true just after its moment, everything else at it: both are looked at again then.
    return min((moment for moment in moments if moment >= facts.now), default=inf)


def _is_open(reservation: Reservation | None, job: PendingJob, now: float) -> bool:
    return (
        reservation is not None
        and reservation.start_at <= now < reservation.end_at
        and reservation.admits(job.user, job.account)
    )
