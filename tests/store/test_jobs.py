from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlite_utils import Database as Tables

from gpuq.errors import NotFoundError, UnavailableError
from gpuq.models import JobState, Rank, RankState
from gpuq_daemon.api.caller import Caller, Role
from gpuq_daemon.api.recording import Entry
from gpuq_daemon.policy.lifecycle import DriverEnd, Intent, Outcome, Reported, verdict
from gpuq_daemon.policy.snapshot import Start
from gpuq_daemon.store.audit import AuditStore
from gpuq_daemon.store.database import Database
from gpuq_daemon.store.jobs import JobStore, Owner, Request
from tests.support.values import a_spec

ANN = Owner(user="ann", uid=1000)


def with_store(path: Path, course: Callable[[JobStore], Awaitable[None]]) -> None:
    async def run() -> None:
        database = Database(path / "state.db", "state")
        try:
            await course(JobStore(database))
        finally:
            database.close()

    asyncio.run(run())


async def queued(store: JobStore, **named: object) -> int:
    spec = a_spec(**named)
    request = Request(spec=spec, owner=ANN, name="train", partition="p", account="root", qos="normal", sha256="0" * 64)
    return (await store.add_all(request, now=10.0))[0]


async def started(store: JobStore, **named: object) -> int:
    job_id = await queued(store, **named)
    await store.start([(Start(job_id=job_id, workers_by_node={"a": 1}), f"t{job_id}")], now=20.0)
    return job_id


def test_a_queued_job_is_there_after_a_restart(tmp_path: Path) -> None:
    async def first(store: JobStore) -> None:
        assert await queued(store, args=("--lr", "0.1"), time_limit_s=60) == 1

    async def second(store: JobStore) -> None:
        job = store.job(1)
        assert (job.state, job.user, job.args, job.time_limit_s) == (JobState.PENDING, "ann", ("--lr", "0.1"), 60)
        assert [waiting.job_id for waiting in store.pending()] == [1]

    with_store(tmp_path, first)
    with_store(tmp_path, second)


def test_a_start_holds_gpus_until_the_end_is_proven(tmp_path: Path) -> None:
    async def course(store: JobStore) -> None:
        job_id = await started(store, time_limit_s=100)
        assert store.pending() == ()
        (active,) = store.active()
        assert (active.gpus_by_node, active.until) == ({"a": 1}, 120.0)

        await store.driver_ended(job_id)
        assert store.active()
        await store.finish(job_id, verdict(None, Outcome(exit_code=0), DriverEnd(exit_code=0)), ended_at=50.0)

        assert store.active() == ()
        job = store.job(job_id)
        assert (job.state, job.charged_gpu_s, job.ended_at, job.exit_code) == (JobState.COMPLETED, 30.0, 50.0, 0)

    with_store(tmp_path, course)


def test_a_job_cancelled_while_the_plan_was_made_does_not_start(tmp_path: Path) -> None:
    async def course(store: JobStore) -> None:
        job_id = await queued(store)
        await store.intend(job_id, Intent.CANCEL, now=15.0)

        began = await store.start([(Start(job_id=job_id, workers_by_node={"a": 1}), "t")], now=20.0)

        assert began == []
        job = store.job(job_id)
        assert (job.state, job.ended_at, job.exit_code, job.attempt) == (JobState.CANCELLED, 15.0, 143, 0)

    with_store(tmp_path, course)


def test_cancelling_what_has_ended_changes_nothing(tmp_path: Path) -> None:
    async def course(store: JobStore) -> None:
        job_id = await queued(store)
        await store.intend(job_id, Intent.CANCEL, now=15.0)
        before = store.job(job_id)

        assert await store.intend(job_id, Intent.CANCEL, now=99.0) == ()
        assert store.job(job_id) == before
        with pytest.raises(NotFoundError):
            await store.intend(4711, Intent.CANCEL, now=99.0)

    with_store(tmp_path, course)


def test_the_first_intent_stands_and_none_comes_after_the_outcome(tmp_path: Path) -> None:
    async def course(store: JobStore) -> None:
        first, second = await started(store), await started(store)
        await store.intend(first, Intent.TIMEOUT, now=1.0)
        await store.intend(first, Intent.CANCEL, now=2.0)
        await store.record(second, 1, Reported(offset=9, outcome=Outcome(exit_code=5, error="no")))
        await store.intend(second, Intent.CANCEL, now=3.0)

        assert store.active_attempt(first).intent is Intent.TIMEOUT
        assert store.active_attempt(second).intent is None
        assert store.active_attempt(second).outcome == Outcome(exit_code=5, error="no")

    with_store(tmp_path, course)


def test_a_job_that_missed_its_deadline_says_so_and_one_whose_deadline_was_moved_waits(tmp_path: Path) -> None:
    async def course(store: JobStore) -> None:
        late, moved = await queued(store, deadline=50.0, time_limit_s=10), await queued(store, deadline=500.0)
        ran = await started(store)

        for job_id in (late, moved, ran):
            await store.intend(job_id, Intent.DEADLINE, now=41.0)
        await store.driver_ended(ran)
        await store.finish(ran, verdict(Intent.DEADLINE, None, DriverEnd(signal=15)), ended_at=42.0)

        ends = {job_id: (job.state, job.exit_code, job.error) for job_id in (late, ran) for job in [store.job(job_id)]}
        assert ends[late] == (JobState.DEADLINE, 124, "could not start in time to end by its deadline")
        assert ends[ran] == (JobState.DEADLINE, 124, "ran into its deadline")
        assert store.job(moved).state is JobState.PENDING

    with_store(tmp_path, course)
    with sqlite3.connect(tmp_path / "state.db") as file:
        assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        for column, table in (("state", "jobs"), ("intent", "attempts")):
            with pytest.raises(sqlite3.IntegrityError):
                file.execute(f"UPDATE {table} SET {column} = 'nonsense'")


def test_a_report_read_twice_counts_once(tmp_path: Path) -> None:
    async def course(store: JobStore) -> None:
        job_id = await started(store)
        rank = Rank(rank=0, role="chief", host="h", pid=7, gpus=("0",), state=RankState.RUNNING)
        await store.record(job_id, 1, Reported(offset=10, ranks=(rank,), began_at=25.0, application_id="app-1"))
        done = Rank(rank=0, role="chief", host="h", state=RankState.DONE, exit_code=0)
        await store.record(job_id, 1, Reported(offset=20, ranks=(done,)))

        await store.record(job_id, 1, Reported(offset=10, ranks=(rank,), began_at=99.0))

        job = store.job(job_id)
        assert (job.state, job.running_at, job.application_id) == (JobState.RUNNING, 25.0, "app-1")
        assert job.ranks == (
            Rank(rank=0, role="chief", host="h", pid=7, gpus=("0",), state=RankState.DONE, exit_code=0),
        )

    with_store(tmp_path, course)


def test_what_is_held_is_corrected_by_what_the_ranks_tell(tmp_path: Path) -> None:
    async def course(store: JobStore) -> None:
        job_id = await queued(store, workers=2, gpus_per_worker=2)
        await store.start([(Start(job_id=job_id, workers_by_node={"a": 2}), "t")], now=20.0)
        first = Rank(rank=0, role="chief", host="h", node="a", state=RankState.RESERVED)
        second = Rank(rank=1, role="worker", host="h", node="b", state=RankState.RESERVED)
        await store.record(job_id, 1, Reported(offset=1, ranks=(first,)))
        assert store.unplaced() == {"p": job_id}
        assert store.active()[0].gpus_by_node == {"a": 4}

        await store.record(job_id, 1, Reported(offset=2, ranks=(second,)))

        assert store.unplaced() == {}
        assert store.active()[0].gpus_by_node == {"a": 2, "b": 2}

    with_store(tmp_path, course)


def test_a_write_that_fails_undoes_itself_and_no_other(tmp_path: Path) -> None:
    async def course(store: JobStore) -> None:
        database = store._db  # pyright: ignore[reportPrivateUsage] - the writer is what is tested

        def fails(tables: Tables) -> None:
            tables.execute("DELETE FROM jobs")
            raise ValueError("changed my mind")

        audit = AuditStore(database)
        who = Caller(owner=ANN, role=Role.USER, source="pid 1")

        async def recorded() -> int:
            entry = Entry(at=1.0, who=who, verb="enqueue", target=None)
            with audit.along(entry.next_row, keep_s=1e9):
                return await queued(store)

        outcomes = await asyncio.gather(recorded(), database.write(fails), recorded(), return_exceptions=True)

        assert isinstance(outcomes[1], ValueError)
        assert [job.id for job in store.jobs()] == [outcomes[0], outcomes[2]]
        assert len(audit.rows()) == 2

    with_store(tmp_path, course)


def test_ids_are_never_given_twice(tmp_path: Path) -> None:
    async def course(store: JobStore) -> None:
        await queued(store)
        last = await queued(store)
        await store._db.write(lambda tables: tables.execute("DELETE FROM jobs WHERE id = 2"))  # pyright: ignore[reportPrivateUsage]

        assert await queued(store) == last + 1

    with_store(tmp_path, course)


def test_the_queue_is_synced_before_it_is_acknowledged(tmp_path: Path) -> None:
    async def course(store: JobStore) -> None:
        settings = await store._db.write(  # pyright: ignore[reportPrivateUsage]
            lambda tables: [tables.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "journal_mode")]
        )

        assert settings == [2, "wal"]

    with_store(tmp_path, course)
    assert sqlite3.connect(tmp_path / "state.db").execute("SELECT count(*) FROM jobs").fetchone() == (0,)


def test_what_is_no_database_is_named_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"not a database" * 100)
    (tmp_path / "folder.db").mkdir()

    for name in ("state.db", "folder.db"):
        with pytest.raises(UnavailableError, match=rf"{name} (is damaged|cannot be used): "):
            Database(tmp_path / name, "state")
