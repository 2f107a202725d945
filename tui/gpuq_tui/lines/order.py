"""In which order jobs are listed, and whose."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gpuq.models import Job
from gpuq_tui.lines.queue import STATE_CODES, elapsed_s

_STATES = {state: place for place, state in enumerate(STATE_CODES)}
ORDERS: dict[str, Callable[[Job, float], object]] = {
    "job": lambda job, now: job.id,
    "priority": lambda job, now: -1 if job.priority is None else job.priority,
    "state": lambda job, now: _STATES[job.state],
    "user": lambda job, now: job.user,
    "account": lambda job, now: job.account,
    "gpus": lambda job, now: job.gpus,
    "time": elapsed_s,
    "name": lambda job, now: job.name,
}
"""What the list can be sorted by, smallest first; jobs that are equal in it come by their number."""

OWNERS = ("all", "mine", "group")
"""Whose jobs are listed: everybody's, one's own, those in the accounts in which one has jobs."""


def ordered(jobs: Sequence[Job], by: str, *, is_reversed: bool, now: float) -> Sequence[Job]:
    """Return jobs, given by number, in another order."""
    if by == "job":
        return jobs[::-1] if is_reversed else jobs
    key = ORDERS[by]
    return sorted(jobs, key=lambda job: key(job, now), reverse=is_reversed)  # type: ignore[arg-type,return-value]


def owned(jobs: Sequence[Job], whose: str, user: str) -> Sequence[Job]:
    """Return the jobs that are `whose`, one of `OWNERS`, as `user` sees it."""
    if whose == "all":
        return jobs
    if whose == "mine":
        return [job for job in jobs if job.user == user]
    accounts = {job.account for job in jobs if job.user == user}
    return [job for job in jobs if job.account in accounts]
