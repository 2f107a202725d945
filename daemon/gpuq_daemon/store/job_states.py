"""The state of a job, changed by the table of the lifecycle alone."""

from __future__ import annotations

from sqlite_utils import Database as Tables

from gpuq.errors import NotFoundError
from gpuq.models import JobState
from gpuq_daemon.policy.lifecycle import Event, Step, step


def state_of(tables: Tables, job_id: int) -> JobState:
    """Return the state that a job is in.

    Raises:
        NotFoundError: it is not kept any more.
    """
    row = tables.execute("SELECT state FROM jobs WHERE id = :job_id", {"job_id": job_id}).fetchone()
    if row is None:
        raise NotFoundError(f"Job {job_id} is not kept any more.")
    return JobState(row[0])


def advance(tables: Tables, job_id: int, event: Event) -> Step:
    """Make the step that `event` makes, and return it.

    Raises:
        ValueError: the lifecycle has no such step.
    """
    made = step(state_of(tables, job_id), event)
    tables.execute("UPDATE jobs SET state = :state WHERE id = :job_id", {"state": made.state, "job_id": job_id})
    return made
