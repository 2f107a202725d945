"""Promised starts outlive the daemon."""

from __future__ import annotations

import asyncio
from math import inf
from pathlib import Path

from gpuq_daemon.policy.snapshot import Promise
from gpuq_daemon.store.database import Database
from gpuq_daemon.store.jobs import JobStore
from gpuq_daemon.store.promises import PromiseStore
from tests.store.test_jobs import queued


def a_promise(job_id: int, start_at: float) -> Promise:
    return Promise(job_id=job_id, start_at=start_at, gpu_type="a", workers_by_node={"n1": 2}, ps_by_node={"n2": 1})


def test_promises_are_there_after_a_restart_and_only_the_last_ones(tmp_path: Path) -> None:
    first, moved, never = a_promise(1, 50.0), a_promise(2, 70.5), a_promise(3, inf)

    async def before() -> None:
        database = Database(tmp_path / "state.db", "state")
        jobs, promises = JobStore(database), PromiseStore(database)
        for _ in range(3):
            await queued(jobs)
        await promises.keep({1: first, 2: a_promise(2, 90.0)})
        await promises.keep({2: moved, 3: never})
        database.close()

    asyncio.run(before())
    database = Database(tmp_path / "state.db", "state")

    assert PromiseStore(database).promises() == {2: moved, 3: never}
    database.close()
