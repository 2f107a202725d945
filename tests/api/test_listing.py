"""A list of the queue tells of every job what the job says, what the scheduler does, and what is estimated."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec

from gpuq.models import Job, Reason
from gpuq_daemon.api.listing import Listing
from gpuq_daemon.forecast.estimate import Estimate
from gpuq_daemon.policy.snapshot import PendingJob
from gpuq_daemon.store.database import Database
from gpuq_daemon.store.jobs import JobStore
from tests.test_scheduler_memory import queued


class BackwardsQueue:
    """Three jobs, the newest first, as a scheduler may tell of them; only the last is promised a start."""

    def __init__(self, jobs: JobStore) -> None:
        self.touched = set[int]()
        self._pending = jobs.pending()[::-1]

    def outlooks(self) -> Iterator[tuple[PendingJob, Reason, int, float | None]]:
        for job in self._pending:
            yield job, Reason.PRIORITY, -job.job_id, 99.5 if job.job_id == 3 else None

    def reasons(self) -> Iterator[tuple[PendingJob, Reason]]:
        return ((job, reason) for job, reason, _, _ in self.outlooks())

    def is_pending(self, job_id: int) -> bool:
        return any(job.job_id == job_id for job in self._pending)


ESTIMATES = {2: Estimate(job_id=2, p50_at=50.0, p90_at=None)}


def test_a_list_and_a_table_tell_the_same_of_waiting_jobs_by_id(tmp_path: Path) -> None:
    database = Database(tmp_path / "state.db", "state")
    jobs = JobStore(database)
    asyncio.run(three(jobs))
    listing = Listing(
        jobs, BackwardsQueue(jobs), gpu_kinds=lambda: {"p": "a100"}, whole=lambda job: job, estimates=lambda: ESTIMATES
    )

    told = msgspec.json.decode(b"".join(listing.jobs()), type=list[Job])
    table = listing.table()["pending"]

    seen = {"gpu_kind": "a100", "reason": Reason.PRIORITY}
    assert told == [
        replace(
            job, **seen, priority=-job.id, start_at=99.5 if job.id == 3 else None, p50_at=50.0 if job.id == 2 else None
        )
        for job in jobs.jobs()
    ]
    assert [job.id for job in told] == [1, 2, 3]
    assert {name: table[name] for name in table} == {name: [getattr(job, name) for job in told] for name in table}
    database.close()


def test_only_jobs_that_may_be_seen_are_listed(tmp_path: Path) -> None:
    database = Database(tmp_path / "state.db", "state")
    jobs = JobStore(database)
    asyncio.run(three(jobs))
    listing = Listing(jobs, BackwardsQueue(jobs), gpu_kinds=dict, whole=lambda job: job)

    assert b"".join(listing.jobs("bob")) == b"[]"
    assert b"".join(listing.jobs(sees=lambda user: user != "ann")) == b"[]"
    assert listing.table(sees=lambda user: user != "ann")["pending"]["id"] == []
    database.close()


async def three(jobs: JobStore) -> None:
    for _ in range(3):
        await queued(jobs)
