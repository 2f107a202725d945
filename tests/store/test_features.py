"""What jobs ask for beyond a gang, kept and read back: arrays, dependencies, holds, requeues, changes."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpuq.errors import ForbiddenError, UsageError
from gpuq.models import JobSpec, JobState, Rank
from gpuq_daemon.policy import array
from gpuq_daemon.policy.dependency import Dependency, Fate, Kind
from gpuq_daemon.policy.lifecycle import Action, DriverEnd, Intent, Outcome, Reported, verdict
from gpuq_daemon.policy.snapshot import Hold, Start
from gpuq_daemon.store.database import Database
from gpuq_daemon.store.job_changes import asked_of
from gpuq_daemon.store.job_rows import Queued
from gpuq_daemon.store.jobs import JobStore, Owner, Request, as_job, as_pending
from gpuq_daemon.store.queued import QueueCounts
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


def a_request(*, account: str = "bio", qos: str = "normal", **named: object) -> Request:
    spec = a_spec(**named)
    tasks = None if spec.array is None else array.parse(spec.array)
    return Request(
        spec=spec,
        owner=ANN,
        name=spec.name or "train",
        partition="p",
        account=account,
        qos=qos,
        sha256="0" * 64,
        array=tasks,
    )


async def queued(store: JobStore, **named: Any) -> int:
    return (await store.add_all(a_request(**named), now=10.0))[0]


async def started(store: JobStore, job_id: int, *, now: float = 20.0, token: str | None = None) -> int:
    start = Start(job_id=job_id, workers_by_node={"a": 1}, gpu_type="a100")
    await store.start([(start, token or f"t{job_id}")], now=now)
    return job_id


async def ended(store: JobStore, job_id: int, *, exit_code: int = 0, at: float = 50.0) -> None:
    await store.driver_ended(job_id)
    intent = store.active_attempt(job_id).intent
    outcome = None if intent else Outcome(exit_code=exit_code)
    await store.finish(job_id, verdict(intent, outcome, DriverEnd(exit_code=0)), ended_at=at)


async def waits_for(store: JobStore, job_id: int) -> tuple[Dependency, ...]:
    (job,) = store.pending_of([job_id])
    return job.dependencies


def test_an_array_is_queued_whole_with_consecutive_ids(tmp_path: Path) -> None:
    async def course(store: JobStore) -> None:
        await queued(store)
        ids = await store.add_all(a_request(array="1,5-7%2"), now=10.0)

        assert list(ids) == [2, 3, 4, 5]
        assert store.tasks(2) == {1: 2, 5: 3, 6: 4, 7: 5}
        assert {(job.array_id, job.throttle) for job in store.pending_of(ids)} == {(2, 2)}
        task = store.job(4)
        assert (task.array_id, task.array_index, task.throttle, task.account) == (2, 6, 2, "bio")
        assert await queued(store) == 6
        assert store.next_id() == 7

    with_store(tmp_path, course)


def test_a_whole_array_and_its_first_task_are_not_mistaken_for_each_other(tmp_path: Path) -> None:
    async def course(store: JobStore) -> None:
        first = await queued(store, array="0-1")
        after_all = await queued(store, dependency=f"afterok:{first},singleton")
        by_task = await store.add_all(a_request(array="0-2", dependency=f"aftercorr:{first}"), now=10.0)

        assert await waits_for(store, after_all) == (
            Dependency(kind=Kind.AFTER_OK, targets=(-first,)),
            Dependency(kind=Kind.SINGLETON),
        )
        corresponding = [(await waits_for(store, task))[0].targets for task in by_task]
        assert corresponding == [(first,), (first + 1,), (-first,)]
        assert store.job(after_all).dependency == f"afterok:{first},singleton"

        await ended(store, await started(store, first))
        assert store.fates([first, -first, first + 1]) == {first: Fate.OK, -first: Fate.STARTED}
        await ended(store, await started(store, first + 1), exit_code=1)
        assert store.fates([-first, first + 1]) == {-first: Fate.FAILED, first + 1: Fate.FAILED}
        assert store.array_of(first) == (-first,)
        assert store.array_of(after_all) == ()

    with_store(tmp_path, course)


def test_nothing_can_wait_for_itself_or_for_what_is_not_there(tmp_path: Path) -> None:
    async def course(store: JobStore) -> None:
        first = await queued(store)
        second = await queued(store, dependency=f"afterok:{first}")
        tasks = await queued(store, array="0-1", dependency=f"afterany:{second}")

        async def depend(job_id: int, text: str) -> None:
            spec = a_spec(dependency=text)
            await store.update({job_id: asked_of(spec, name="n", partition="p", account="bio", qos="normal")})

        with pytest.raises(UsageError, match="There is no job 99 to depend on"):
            await queued(store, dependency="afterok:99")
        with pytest.raises(UsageError, match=f"Job {first} cannot depend on itself"):
            await depend(first, f"afterok:{first}")
        with pytest.raises(UsageError, match=f"Job {first} would wait for itself, by way of .*array {tasks}"):
            await depend(first, f"afterok:{tasks}")
        assert store.job(first).dependency is None
        assert store.next_id() == 5

        await depend(tasks, f"after:{first}")
        assert store.job(tasks).dependency == f"after:{first}"

    with_store(tmp_path, course)


def test_an_administrators_hold_is_released_by_administrators_only(tmp_path: Path) -> None:
    async def course(store: JobStore) -> None:
        job_id = await queued(store, hold=True)
        assert store.pending()[0].hold is Hold.USER
        await store.release([job_id], is_admin=False)
        assert store.pending()[0].hold is None

        await store.hold([job_id], Hold.ADMIN)
        await store.hold([job_id], Hold.USER)
        with pytest.raises(ForbiddenError, match="held by an administrator"):
            await store.release([job_id], is_admin=False)
        assert store.job(job_id).hold == "admin"
        await store.release([job_id], is_admin=True)
        assert store.job(job_id).hold is None

    with_store(tmp_path, course)


def test_what_is_only_for_pending_jobs_changes_none_of_several(tmp_path: Path) -> None:
    async def course(store: JobStore) -> None:
        waiting, running = await queued(store), await started(store, await queued(store))

        for change in (
            store.hold([waiting, running], Hold.USER),
            store.release([waiting, running], is_admin=True),
            store.set_top([waiting, running], is_top=True),
        ):
            with pytest.raises(UsageError, match=f"Job {running} is CONFIGURING: only a pending job can be"):
                await change
        job = store.job(waiting)
        assert (job.hold, job.is_top) == (None, False)

    with_store(tmp_path, course)


def test_a_requeued_job_ends_waits_and_keeps_what_it_was_charged(tmp_path: Path) -> None:
    async def course(store: JobStore) -> None:
        job_id = await started(store, await queued(store, gpus_per_worker=2))
        with pytest.raises(UsageError, match="pending already"):
            await store.requeue(await queued(store))

        assert await store.requeue(job_id) == (Action.END,)
        assert await store.requeue(job_id, is_held=True) == (Action.END,)
        await ended(store, job_id, at=50.0)

        job = store.job(job_id)
        assert (job.state, job.attempt, job.started_at, job.ended_at, job.nodes) == ("PENDING", 1, None, None, ())
        assert (job.exit_code, job.hold, job.charged_gpu_s) == (None, "user", 60.0)
        assert store.fates([job_id]) == {}
        assert store.active() == ()

        await started(store, job_id, now=100.0, token="again")
        assert store.job(job_id).nodes == ("a",)
        await ended(store, job_id, exit_code=3, at=110.0)
        job = store.job(job_id)
        assert (job.state, job.attempt, job.exit_code, job.charged_gpu_s) == (JobState.FAILED, 2, 3, 80.0)

        assert await store.requeue(job_id) == ()
        job = store.job(job_id)
        assert (job.state, job.exit_code, job.error, job.charged_gpu_s) == (JobState.PENDING, None, None, 80.0)

    with_store(tmp_path, course)


def test_a_cancel_takes_the_place_of_a_requeue_but_no_requeue_that_of_a_cancel(tmp_path: Path) -> None:
    async def course(store: JobStore) -> None:
        one, other = await started(store, await queued(store)), await started(store, await queued(store))
        await store.requeue(one)
        await store.intend(one, Intent.CANCEL, now=30.0)
        await store.intend(other, Intent.CANCEL, now=30.0)

        with pytest.raises(UsageError, match="just ending"):
            await store.requeue(other)
        await ended(store, one)
        assert store.job(one).state is JobState.CANCELLED

    with_store(tmp_path, course)


def test_changed_fields_reach_the_policy(tmp_path: Path) -> None:
    async def course(store: JobStore) -> None:
        job_id = await queued(store, array="0-1", begin_at=5.0)
        spec = store.specs([job_id])[job_id]
        assert (spec.begin_at, spec.array, spec.account, spec.script) == (5.0, None, "bio", a_spec().script)
        changed = a_spec(workers=4, nodes=2, gpu_type="a100", exclusive=True, layout="spread", nice=7, time_limit_s=60)

        asked = asked_of(changed, name="n", partition="q", account="lab", qos="fast")
        await store.update({job_id: asked}, throttle=(job_id, 1))

        job, other = store.pending()
        assert (job.gang.workers, job.gang.nodes, job.gang.gpu_type, job.gang.is_exclusive) == (4, 2, "a100", True)
        assert (job.name, job.partition, job.account, job.qos, job.nice) == ("n", "q", "lab", "fast", 7)
        assert (job.begin_at, job.time_limit_s, job.throttle, other.throttle) == (None, 60, 1, 1)
        assert other.gang.workers == 1

    with_store(tmp_path, course)


def test_what_runs_is_told_with_all_the_policy_counts(tmp_path: Path) -> None:
    async def course(store: JobStore) -> None:
        ids = await store.add_all(
            a_request(array="0-1%1", workers=3, cpus_per_worker=4, memory_mib_per_worker=100, time_limit_s=60), now=1.0
        )
        start = Start(job_id=ids[0], workers_by_node={"a": 2, "b": 1}, gpu_type="a100")
        await store.start([(start, "t")], now=20.0)

        (job,) = store.active_of(ids)
        assert store.active() == (job,)
        assert (job.gpus_by_node, job.cpus_by_node) == ({"a": 2, "b": 1}, {"a": 8, "b": 4})
        assert job.memory_mib_by_node == {"a": 200, "b": 100}
        assert (job.account, job.until, job.array_id, job.throttle) == ("bio", 80.0, ids[0], 1)
        (charged,) = store.active_charges()
        assert (charged.gpu_type, charged.gpus, charged.account, charged.started_at) == ("a100", 3, "bio", 20.0)
        assert (charged.cpus, charged.memory_mib) == (12, 300)
        assert [one.job_id for one in store.pending_of(ids)] == [ids[1]]
        attempt = store.active_attempt(ids[0])
        assert (attempt.array_id, attempt.array_index) == (ids[0], 0)

    with_store(tmp_path, course)


def test_parameter_servers_hold_what_they_need_on_nodes_without_gpus_too(tmp_path: Path) -> None:
    async def course(store: JobStore) -> None:
        asked = {"workers": 2, "cpus_per_worker": 2, "ps": 2, "evaluator": True, "cpus_per_ps": 3}
        job_id = await queued(store, **asked, memory_mib_per_ps=100)
        (waiting,) = store.pending()
        assert (waiting.gang.servers, waiting.gang.cpus_per_ps, waiting.gang.memory_mib_per_ps) == (3, 3, 100)
        start = Start(job_id=job_id, workers_by_node={"a": 2}, ps_by_node={"a": 1, "cpu": 2})
        await store.start([(start, "t")], now=20.0)

        (job,) = store.active()
        assert (job.gpus, job.gpus_by_node) == (2, {"a": 2, "cpu": 0})
        assert job.cpus_by_node == {"a": 7, "cpu": 6}
        assert job.memory_mib_by_node == {"a": 100, "cpu": 200}
        (charged,) = store.active_charges()
        assert (charged.gpus, charged.cpus, charged.memory_mib) == (2, 13, 300)
        attempt = store.active_attempt(job_id)
        assert (attempt.nodes, attempt.ps_by_node, attempt.rank_count) == (("a",), {"a": 1, "cpu": 2}, 5)
        ranks = [
            Rank(rank=0, role="chief", host="h", node="a"),
            Rank(rank=1, role="worker", host="h", node="b"),
            *(Rank(rank=r, role="ps", host="h", node="cpu") for r in (2, 3)),
        ]
        await store.record(job_id, 1, Reported(offset=1, ranks=tuple(ranks)))
        assert store.unplaced() == {"p": job_id}, "the evaluator has not told yet"

        evaluator = Rank(rank=4, role="evaluator", host="h", node="b")
        await store.record(job_id, 1, Reported(offset=2, ranks=(evaluator,)))

        (job,) = store.active()
        assert (job.gpus_by_node, job.cpus_by_node) == ({"a": 1, "b": 1, "cpu": 0}, {"a": 2, "b": 5, "cpu": 6})
        assert store.job(job_id).nodes == ("a", "b", "cpu")
        await ended(store, job_id, at=50.0)
        assert store.job(job_id).charged_gpu_s == 60.0

    with_store(tmp_path, course)


def test_who_refuses_by_what_is_queued_queues_nothing(tmp_path: Path) -> None:
    async def course(store: JobStore) -> None:
        await store.add_all(a_request(array="0-2", qos="fast"), now=1.0)

        def refuse(there: QueueCounts) -> None:
            waiting = there.refuse_vanished("ann", "root", "normal", None)
            assert (waiting, there.by_owner()) == (3, [Queued("ann", "bio", "fast", 3)])
            raise UsageError("enough")

        with pytest.raises(UsageError, match="enough"):
            await store.add_all(a_request(), now=2.0, admit=refuse)
        assert store.count_pending() == 3

    with_store(tmp_path, course)


_TIMES = st.none() | st.floats(0, 2e9)
_SPECS = st.builds(
    JobSpec,
    script_name=st.just("train.py"),
    script=st.just("def main_fun(args, ctx): pass"),
    args=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5), max_size=3).map(tuple),
    name=st.text(st.characters(codec="ascii", exclude_categories=["C"]), min_size=1, max_size=9),
    workers=st.integers(1, 4096),
    gpus_per_worker=st.integers(1, 64),
    time_limit_s=st.none() | st.integers(1, 10**7),
    partition=st.just("p"),
    account=st.just("bio"),
    qos=st.just("fast"),
    gpu_type=st.none() | st.sampled_from(["a100", "é"]),
    nodes=st.none() | st.integers(1, 9),
    exclusive=st.booleans(),
    layout=st.sampled_from(["pack", "spread"]),
    cpus_per_worker=st.integers(0, 99),
    memory_mib_per_worker=st.integers(0, 1 << 30),
    nice=st.integers(-(2**31), 2**31),
    hold=st.booleans(),
    begin_at=_TIMES,
    deadline=_TIMES,
    dependency=st.none() | st.just("singleton"),
    reservation=st.none() | st.just("night"),
    signal_s=st.none() | st.integers(1, 99),
    ps=st.integers(0, 99),
    evaluator=st.booleans(),
    cpus_per_ps=st.integers(1, 99),
    memory_mib_per_ps=st.integers(0, 1 << 30),
    epochs=st.integers(0, 9),
    independent=st.booleans(),
    driver=st.booleans(),
)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(_SPECS, min_size=1, max_size=5))
def test_what_was_asked_for_can_be_asked_for_again(
    tmp_path_factory: pytest.TempPathFactory, specs: list[JobSpec]
) -> None:
    async def course(store: JobStore) -> None:
        asked = [
            Request(
                spec=spec,
                owner=ANN,
                name=spec.name or "",
                partition="p",
                account="bio",
                qos="fast",
                sha256="0" * 64,
            )
            for spec in specs
        ]
        ids = [(await store.add_all(request, now=1.0))[0] for request in asked]

        assert list(store.specs(ids).values()) == specs
        assert [job.gang.gpus for job in store.pending()] == [spec.gpus for spec in specs]
        told = [as_job(request, job_id, 1.0, gpu_kind="GPU") for request, job_id in zip(asked, ids, strict=True)]
        assert told == store.jobs()
        seen = [as_pending(request, job_id, 1.0) for request, job_id in zip(asked, ids, strict=True)]
        assert seen == [None if job.dependencies else job for job in store.pending()]

    with_store(tmp_path_factory.mktemp("s"), course)


def test_jobs_of_before_are_kept_as_they_were(tmp_path: Path) -> None:
    first = resources.files("gpuq_daemon.store").joinpath("schema", "state", "0001_jobs.sql").read_text()
    with sqlite3.connect(tmp_path / "state.db") as old:
        old.executescript(first)
        old.execute("CREATE TABLE _sqlite_migrations (migration_set TEXT, name TEXT, applied_at TEXT)")
        old.execute("INSERT INTO _sqlite_migrations VALUES ('state', '0001_jobs', '2026-01-01')")
        old.execute("INSERT INTO scripts VALUES ('0', 'x')")
        old.execute(
            """INSERT INTO jobs (name, user, uid, partition, state, workers, gpus_per_worker, script_name,
               script_sha256, args, submitted_at, attempt)
               VALUES ('n', 'ann', 1, 'p', 'RUNNING', 1, 1, 's.py', '0', '[]', 1.0, 1)"""
        )
        old.execute(
            "INSERT INTO attempts (job_id, number, token, started_at, intent) VALUES (1, 1, 't', 2.0, 'cancel')"
        )
        old.execute("INSERT INTO allocations VALUES (1, 1, 'a', 1)")
    old.close()

    async def course(store: JobStore) -> None:
        assert store.active_attempt(1).intent is Intent.CANCEL
        (job,) = store.active()
        assert (job.account, job.qos, job.gpus_by_node) == ("root", "normal", {"a": 1})

    with_store(tmp_path, course)
