"""Jobs that leave: what they were charged is conserved to the microsecond, and what is needed stays."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuq.errors import NotFoundError, UsageError
from gpuq_daemon.policy.array import Array
from gpuq_daemon.policy.lifecycle import DriverEnd, Outcome, verdict
from gpuq_daemon.policy.snapshot import Start
from gpuq_daemon.store.database import Database
from gpuq_daemon.store.invariants import state_findings
from gpuq_daemon.store.jobs import JobStore, Owner, Request
from gpuq_daemon.store.retention import RetentionStore
from tests.support.values import a_spec

DAY = 86_400.0
OK = verdict(None, Outcome(exit_code=0), DriverEnd(exit_code=0))
LATE = 1e9


def with_stores(course: Callable[[JobStore, RetentionStore], Awaitable[None]]) -> None:
    async def run(folder: Path) -> None:
        database = Database(folder / "state.db", "state", synchronous="NORMAL")
        try:
            await course(JobStore(database), RetentionStore(database))
        finally:
            database.close()
        assert [one for one in state_findings(folder / "state.db") if one.wrong is not None] == []

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))


def request(user: str = "ann", account: str = "root", partition: str = "p", sha: str = "0", **asked: object) -> Request:
    return Request(
        spec=a_spec(**asked),
        owner=Owner(user=user, uid=1000),
        name="train",
        partition=partition,
        account=account,
        qos="normal",
        sha256=sha * 64,
    )


async def ran(
    store: JobStore, job_id: int, *, at: float, for_s: float, gpus: int = 1, gpu_type: str = "", token: str = ""
) -> None:
    start = Start(job_id=job_id, workers_by_node={"a": gpus}, gpu_type=gpu_type)
    await store.start([(start, token or f"t{job_id}")], now=at)
    await store.driver_ended(job_id)
    await store.finish(job_id, OK, ended_at=at + for_s)


async def ended(store: JobStore, *, at: float = 100.0, for_s: float = 50.0, **named: object) -> int:
    made = request(**named)  # type: ignore[arg-type]  # names of two functions
    job_id = (await store.add_all(made, now=at))[0]
    await ran(store, job_id, at=at, for_s=for_s)
    return job_id


def sums(store: JobStore) -> tuple[int, int, int]:
    """Return what was charged in all, in microseconds, how many attempts ended, and how many jobs."""
    db: Database = store._db  # pyright: ignore[reportPrivateUsage]  # what no question of the product asks
    row = db.rows("SELECT sum(gpu_us) AS us, sum(attempts) AS attempts, sum(jobs) AS jobs FROM used")[0]
    return row["us"], row["attempts"], row["jobs"]


_RUN = st.tuples(
    st.sampled_from(["ann", "bob"]),
    st.sampled_from(["root", "lab"]),
    st.sampled_from(["p", "q"]),
    st.sampled_from(["", "a100"]),
    st.floats(0, 40 * DAY),
    st.floats(-10, 9 * DAY),
    st.integers(1, 8),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(_RUN, min_size=1, max_size=8), st.lists(st.floats(0, 60 * DAY), max_size=4))
def test_what_was_charged_stays_in_the_sums_whatever_is_removed(
    runs: list[tuple[str, str, str, str, float, float, int]], cuts: list[float]
) -> None:
    async def course(store: JobStore, retention: RetentionStore) -> None:
        for user, account, partition, gpu_type, at, for_s, gpus in runs:
            made = request(user, account, partition, workers=gpus)
            job_id = (await store.add_all(made, now=at))[0]
            await ran(store, job_id, at=at, for_s=for_s, gpus=gpus, gpu_type=gpu_type)
            if for_s > DAY:  # and a second attempt
                await store.requeue(job_id)
                await ran(store, job_id, at=at + for_s + 1, for_s=for_s / 7, gpus=gpus, token=f"again{job_id}")
        whole = sums(store)
        for before in cuts:
            ids = [one.job_id for one in retention.ended(before=before, limit=100)]
            gone = await retention.remove(ids, before=before)
            assert set(gone) <= set(ids)
            assert sums(store) == whole
        await retention.remove([one.job_id for one in retention.ended(before=LATE, limit=100)], before=LATE)
        assert sums(store) == whole
        assert store.jobs(everything=True) == []
        assert list(store._db.rows("SELECT 1 FROM scripts")) == []  # pyright: ignore[reportPrivateUsage]

    with_stores(course)


def test_a_charge_is_kept_by_day_and_by_who_paid_for_what() -> None:
    async def course(store: JobStore, retention: RetentionStore) -> None:
        job_id = (await store.add_all(request(workers=2), now=0.0))[0]
        await ran(store, job_id, at=0.5 * DAY, for_s=DAY, gpus=2, gpu_type="a100")

        await retention.remove([job_id], before=LATE)

        rows = store._db.rows("SELECT * FROM used ORDER BY day")  # pyright: ignore[reportPrivateUsage]
        common = {"account": "root", "user": "ann", "partition": "p", "gpu_type": "a100", "qos": "normal", "gpus": 2}
        half = int(DAY * 1e6)
        assert rows == [
            {
                "day": day, **common, "ended_as": "COMPLETED", "gpu_us": half, "idle_us": half, "restart_us": 0,
                "jobs": day, "attempts": day,
            }
            for day in (0, 1)
        ]  # fmt: skip

    with_stores(course)


def test_only_what_has_ended_long_ago_and_is_not_waited_for_goes() -> None:
    async def course(store: JobStore, retention: RetentionStore) -> None:
        free, waited_for = await ended(store), await ended(store)
        young, pending = await ended(store, at=5000.0), (await store.add_all(request(sha="1"), now=100.0))[0]
        waits = (await store.add_all(request(dependency=f"afterok:{waited_for}"), now=100.0))[0]
        again = await ended(store)
        await store.requeue(again)
        everything = [free, waited_for, young, pending, waits, again]

        assert retention.removable(everything, before=1000.0) == [free]
        assert await retention.remove(everything, before=1000.0) == [free]
        assert await retention.remove(everything, before=1000.0) == []
        with pytest.raises(NotFoundError):
            store.job(free)
        assert retention.leaving(limit=9) == [(free, 1000)]
        await retention.left(free)
        assert retention.leaving(limit=9) == []
        await ran(store, waits, at=200.0, for_s=1.0)
        assert await retention.remove(everything, before=1000.0) == [waited_for, waits]

    with_stores(course)


def test_an_array_stays_as_long_as_one_of_its_tasks_is_young_or_waited_for() -> None:
    async def course(store: JobStore, retention: RetentionStore) -> None:
        made = replace(request(), array=Array(indices=(0, 1, 2), throttle=None))
        tasks = list(await store.add_all(made, now=10.0))
        for task in tasks[:2]:
            await ran(store, task, at=20.0, for_s=5.0)
        assert retention.removable(tasks, before=1000.0) == []
        await ran(store, tasks[2], at=20.0, for_s=5.0)
        waits = (await store.add_all(request(dependency=f"afterany:{tasks[0]}"), now=30.0))[0]
        assert retention.removable(tasks, before=1000.0) in ([], tasks[1:])
        await ran(store, waits, at=40.0, for_s=5.0)
        assert await retention.remove(tasks, before=1000.0) == tasks

    with_stores(course)


def test_what_times_of_a_clock_that_was_set_back_say_removes_nothing() -> None:
    """Numbers grow with time: who came after a young job is young, though it seems to be of 1970."""

    async def course(store: JobStore, retention: RetentionStore) -> None:
        old, young = await ended(store, at=100.0), await ended(store, at=5000.0)
        seems_old = await ended(store, at=0.0)

        below = retention.first_young(before=1000.0, now=9000.0)
        found = [one.job_id for one in retention.ended(before=1000.0, below=below, limit=9)]

        assert (below, found) == (young, [old])
        assert retention.first_young(before=1000.0, now=2000.0) > seems_old  # that clock was ahead, not to be minded

    with_stores(course)


def test_a_job_does_not_wait_again_for_one_that_is_not_kept() -> None:
    async def course(store: JobStore, retention: RetentionStore) -> None:
        first = await ended(store)
        second = await ended(store, at=2000.0, dependency=f"afterok:{first}")
        await retention.remove([first], before=1000.0)

        with pytest.raises(UsageError, match=f"Job {second} depends on job {first} .*not kept any more"):
            await store.requeue(second)
        assert store.job(second).state == "COMPLETED"

    with_stores(course)


def test_a_script_goes_with_the_last_job_that_has_it(tmp_path: Path) -> None:
    async def course() -> None:
        database = Database(tmp_path / "state.db", "state")
        store, retention = JobStore(database), RetentionStore(database)
        one, other, third = await ended(store), await ended(store), await ended(store, sha="1")
        await retention.remove([one, third], before=LATE)
        assert database.rows("SELECT sha256 FROM scripts") == [{"sha256": "0" * 64}]
        await retention.remove([other], before=LATE)
        assert database.rows("SELECT sha256 FROM scripts") == []
        database.close()

    asyncio.run(course())


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("UPDATE used SET gpu_us = gpu_us + 1", "to the last microsecond"),
        ("DELETE FROM rolled_up", "to the last microsecond"),
        ("INSERT INTO leaving SELECT id, uid FROM jobs", "both kept and removed"),
        ("INSERT INTO scripts VALUES ('x', '')", "every script is some job's"),
    ],
)
def test_verify_names_what_does_not_agree(tmp_path: Path, damage: str, says: str) -> None:
    async def course() -> None:
        database = Database(tmp_path / "state.db", "state")
        store, retention = JobStore(database), RetentionStore(database)
        await retention.remove([await ended(store)], before=LATE)
        await ended(store)
        database.close()

    asyncio.run(course())
    with sqlite3.connect(tmp_path / "state.db") as db:
        db.execute(damage)
    db.close()

    [wrong] = [one for one in state_findings(tmp_path / "state.db") if one.wrong is not None]
    assert says in wrong.what
