"""What the scheduler keeps of jobs that are gone: nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gpuq_daemon.bell import Bell
from gpuq_daemon.clock import WallClock
from gpuq_daemon.config import Config
from gpuq_daemon.partitions import EmbeddedPartition
from gpuq_daemon.policy.lifecycle import Event, Intent, Verdict
from gpuq_daemon.policy.snapshot import Start
from gpuq_daemon.scheduler import Scheduler
from gpuq_daemon.standing import Standing
from gpuq_daemon.store.accounts import AccountStore
from gpuq_daemon.store.database import Database
from gpuq_daemon.store.jobs import JobStore, Owner, Request
from gpuq_daemon.store.promises import PromiseStore
from gpuq_daemon.vitals import Vitals
from tests.support.values import a_spec


def a_scheduler(database: Database, jobs: JobStore, folder: Path, vitals: Vitals | None = None) -> Scheduler:
    config = Config(state_dir=str(folder), partition={"p": EmbeddedPartition()})
    return Scheduler(
        jobs=jobs,
        standing=Standing(config, database, AccountStore(database), jobs),
        promises=PromiseStore(database),
        clock=WallClock(),
        bell=Bell(),
        nodes=tuple,
        down=dict,
        new_token=lambda: "t",
        started=lambda _: None,
        recalculate_every_s=lambda: 60.0,
        passed=lambda: None,
        recalculated=lambda _: None,
        vitals=vitals,
    )


async def queued(jobs: JobStore, **named: object) -> range:
    request = Request(
        spec=a_spec(**named),
        owner=Owner(user="ann", uid=1000),
        name="train",
        partition="p",
        account="root",
        qos="normal",
        sha256="0" * 64,
    )
    return await jobs.add_all(request, now=10.0)


async def ended(jobs: JobStore, scheduler: Scheduler, job_id: int) -> None:
    await jobs.intend(job_id, Intent.CANCEL, now=20.0)
    scheduler.removed(job_id)


def kept(scheduler: Scheduler) -> list[int]:
    """Return the jobs of which the scheduler knows what became of them."""
    return sorted(scheduler._engine.snapshot(30.0).fates)  # pyright: ignore[reportPrivateUsage] - it tells nobody


def test_what_became_of_a_job_is_kept_for_those_who_wait_for_it_and_no_longer(tmp_path: Path) -> None:
    async def course() -> None:
        database = Database(tmp_path / "state.db", "state")
        jobs = JobStore(database)
        scheduler = a_scheduler(database, jobs, tmp_path)
        [first], [other], array = await queued(jobs), await queued(jobs), await queued(jobs, array="0-2")
        [waits] = await queued(jobs, dependency=f"afterany:{first}")
        scheduler.submitted([first, other, *array, waits])

        [ran] = await queued(jobs)
        scheduler.submitted([ran])
        await jobs.start([(Start(job_id=ran, workers_by_node={"a": 1}), "t")], now=12.0)
        await jobs.driver_ended(ran)
        failed = Verdict(event=Event.GONE_FAILED, exit_code=1)
        await jobs.finish(ran, failed, ended_at=15.0, rate=1.0, half_life_s=1e6)
        scheduler.ended(ran)

        for job_id in (first, other, *array):
            await ended(jobs, scheduler, job_id)
        assert kept(scheduler) == [first]
        await ended(jobs, scheduler, waits)
        assert kept(scheduler) == []
        database.close()

    asyncio.run(course())


def test_a_queue_is_read_once_before_its_first_pass(tmp_path: Path) -> None:
    async def course() -> None:
        database, vitals = Database(tmp_path / "state.db", "state"), Vitals()
        jobs = JobStore(database)
        [held] = await queued(jobs, hold=True)
        scheduler = a_scheduler(database, jobs, tmp_path, vitals)

        knew = scheduler.is_pending(held)
        scheduler.read()
        knows = scheduler.is_held(held)
        await scheduler.pass_once()

        assert (knew, knows) == (False, True)
        assert [(one.name, one.count) for one in vitals.passes.spreads() if one.name == "read anew"] == [
            ("read anew", 1)
        ]
        database.close()

    asyncio.run(course())
