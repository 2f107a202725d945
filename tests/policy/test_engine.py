"""The engine with its shortcuts says what the plain function says, after any changes."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from gpuq_daemon.policy.dependency import Dependency, Fate, Kind
from gpuq_daemon.policy.engine import Engine
from gpuq_daemon.policy.fairtree import Share, Shares
from gpuq_daemon.policy.gang import Gang, Layout
from gpuq_daemon.policy.limits import Limit, Limits
from gpuq_daemon.policy.plan import plan
from gpuq_daemon.policy.reservation import Reservation
from gpuq_daemon.policy.rules import Rules
from gpuq_daemon.policy.snapshot import Hold, NodeView, PendingJob, Snapshot
from tests.policy.build import a_job, begun

USERS, ACCOUNTS = ("ann", "bob", "cat"), ("a", "b")
_T = TypeVar("_T")


def gangs() -> st.SearchStrategy[Gang]:
    """Return gangs of all kinds, few of each so that lines have several jobs."""
    return st.sampled_from(
        [
            Gang(),
            Gang(workers=2),
            Gang(gpus_per_worker=4),
            Gang(workers=3, gpus_per_worker=2, gpu_type="a"),
            Gang(workers=2, gpus_per_worker=2, layout=Layout.SPREAD),
            Gang(workers=4, gpus_per_worker=1, nodes=2, gpu_type="v"),
            Gang(workers=2, gpus_per_worker=1, is_exclusive=True),
            Gang(workers=2, cpus_per_worker=3, memory_mib_per_worker=100, ps=2, evaluator=True),
            Gang(workers=9, gpus_per_worker=4),
        ]
    )


def seldom(values: list[_T]) -> st.SearchStrategy[_T | None]:
    """Return one of the values, most often none."""
    return st.sampled_from([None] * 4 + values)


@st.composite
def jobs(draw: st.DrawFn, job_id: int) -> PendingJob:
    """Return a pending job with any of the conditions."""
    kind = draw(st.sampled_from(list(Kind)))
    targets = () if kind is Kind.SINGLETON else tuple(draw(st.lists(st.integers(1, 12), min_size=1, max_size=2)))
    throttle = draw(st.sampled_from([None, None, 1]))
    return PendingJob(
        job_id=job_id,
        user=draw(st.sampled_from(USERS)),
        account=draw(st.sampled_from(ACCOUNTS)),
        qos=draw(st.sampled_from(["normal", "high"])),
        partition=draw(st.sampled_from(["main", "main", "side"])),
        name=draw(st.sampled_from(["x", "y"])),
        submitted_at=float(draw(st.integers(0, 900))),
        gang=draw(gangs()),
        time_limit_s=draw(st.sampled_from([None, 50, 100, 500])),
        nice=draw(st.sampled_from([0, 0, 100])),
        is_top=draw(st.sampled_from([False] * 6 + [True])),
        hold=draw(seldom([Hold.USER])),
        begin_at=draw(seldom([950.0, 1100.0])),
        deadline=draw(seldom([1060.0, 1500.0])),
        dependencies=(Dependency(kind=kind, targets=targets),) if draw(st.integers(0, 4)) == 0 else (),
        reservation=draw(seldom(["window"])),
        array_id=None if throttle is None else 7,
        throttle=throttle,
    )


@st.composite
def worlds(draw: st.DrawFn) -> Snapshot:
    """Return an empty cluster with its rules."""
    nodes = tuple(
        NodeView(
            name=f"n{i}",
            partition=draw(st.sampled_from(["main", "main", "side"])),
            gpus=draw(st.sampled_from([0, 2, 4, 8])),
            gpu_type=draw(st.sampled_from(["a", "v"])),
            cpus=draw(st.sampled_from([None, 8])),
            memory_mib=draw(st.sampled_from([None, 250])),
            drained=draw(st.sampled_from([None] * 5 + ["fan"])),
        )
        for i in range(draw(st.integers(1, 6)))
    )
    limit = st.builds(
        Limit,
        running_gpus=st.sampled_from([None, 3, 8]),
        running_jobs=st.sampled_from([None, 1, 3]),
        gpu_hours=st.sampled_from([None, 0.2]),
    )
    some = draw(st.booleans())
    limits = Limits(
        users=draw(st.dictionaries(st.sampled_from(USERS), limit)) if some else {},
        accounts=draw(st.dictionaries(st.sampled_from(ACCOUNTS), limit)) if some else {},
        qos_users=draw(st.dictionaries(st.just("high"), limit)) if some else {},
    )
    rules = Rules(
        limits=limits,
        promises=draw(st.sampled_from([1, 2, 4])),
        idle_budget=draw(st.sampled_from([0.0, 0.3, 1.0])),
        guard_after_s=draw(st.sampled_from([None, 300.0])),
    )
    reservations = (
        (Reservation(name="window", nodes=frozenset(n.name for n in nodes[:2]), start_at=1050, end_at=1300,
                     accounts=frozenset("a")),)
        if draw(st.booleans())
        else ()
    )  # fmt: skip
    return Snapshot(
        now=1000.0, nodes=nodes, pending=(), active=(), rules=rules, shares=draw(shares()), reservations=reservations
    )


@st.composite
def shares(draw: st.DrawFn) -> Shares:
    """Return fair-share factors for everybody, taken at some time."""
    factor = st.sampled_from([0.0, 0.5, 1.0])
    users = {
        (account, user): Share(usage=0, due=0, used=0, level_fs=1.0, rank=1, factor=draw(factor))
        for account in ACCOUNTS
        for user in USERS
    }
    return Shares(at=draw(st.sampled_from([0.0, 800.0, 1000.0])), accounts={}, users=users)


def same(engine: Engine, now: float) -> None:
    """Assert that the engine's plan is the pure one's, reasons of all jobs included."""
    expected = plan(engine.snapshot(now))

    found = engine.plan(now)

    assert found.starts == expected.starts
    assert found.promises == expected.promises
    assert dict(found.reasons) == dict(expected.reasons)
    assert {i: reason for i, reason in engine.reasons() if i in expected.reasons} == dict(expected.reasons)
    assert found.expired == expected.expired


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_the_incremental_pass_is_the_full_one(data: st.DataObject):
    world = data.draw(worlds())
    first = [data.draw(jobs(i + 1)) for i in range(data.draw(st.integers(0, 10)))]
    engine = Engine(replace(world, pending=tuple(first)))
    now, next_id = 1000.0, len(first) + 1
    same(engine, now)

    for _ in range(data.draw(st.integers(1, 12))):
        decided = engine.plan(now)
        view = engine.snapshot(now)
        pending = {job.job_id: job for job in view.pending}
        what = data.draw(st.sampled_from(["submit", "carry out", "end", "remove", "update", "time", "tick", "down"]))
        if what == "submit":
            engine.submit(data.draw(jobs(next_id)))
            next_id += 1
        elif what == "carry out":
            for start in decided.starts:
                engine.begin(begun(pending[start.job_id], start, now))
        elif what == "end" and view.active:
            ended = data.draw(st.sampled_from(view.active))
            engine.end(ended.job_id, data.draw(st.sampled_from([Fate.OK, Fate.FAILED])))
        elif what == "remove" and pending:
            engine.remove(data.draw(st.sampled_from(sorted(pending))))
        elif what == "update" and pending:
            job_id = data.draw(st.sampled_from(sorted(pending)))
            engine.update(data.draw(jobs(job_id)))
        elif what == "time":
            now += data.draw(st.sampled_from([1.0, 40.0, 200.0]))
        elif what == "tick":
            engine.recalculate(data.draw(shares()), {("user", "ann"): 100.0})
        elif what == "down":
            is_down, is_placing = data.draw(st.sampled_from([(0, 0), (1, 0), (0, 1)]))
            engine.set_stopped(down={"main": "no"} if is_down else {}, placing={"main": 7} if is_placing else {})
        same(engine, now)


@settings(max_examples=100, deadline=None)
@given(worlds(), st.lists(st.lists(jobs(0), max_size=6), min_size=1, max_size=4), st.integers(0, 3))
def test_what_is_only_thought_of_changes_nothing_that_is_decided(
    world: Snapshot, bursts: list[list[PendingJob]], thoughts: int
):
    asked, unasked, now, next_id = Engine(world), Engine(world), 1000.0, 1
    for burst in bursts:
        for job in burst:
            job = replace(job, job_id=next_id)
            asked.submit(job)
            unasked.submit(job)
            next_id += 1
        for _ in range(thoughts):
            asked.think(now)
            now += 0.01
        decided = asked.plan(now)

        assert (decided.starts, decided.promises) == ((plan := unasked.plan(now)).starts, plan.promises)
        for start in decided.starts:
            for engine in (asked, unasked):
                engine.begin(begun(engine.pending(start.job_id), start, now))
        now += 40.0


def test_nobody_goes_ahead_by_what_was_promised_when_it_was_only_asked_about():
    nodes = (NodeView(name="n1", partition="main", gpus=1), NodeView(name="n2", partition="main", gpus=1))
    engine = Engine(Snapshot(now=0.0, nodes=nodes, pending=(), active=(), rules=Rules()))
    for job_id in (1, 2, 3):
        engine.submit(a_job(job_id, time_limit_s=36000))

    engine.think(10.0)
    promised = engine.promise(3)

    assert promised is not None
    assert promised.start_at == 36010.0
    assert [start.job_id for start in engine.plan(10.01).starts] == [1, 2]


def some_job(rng: random.Random, job_id: int) -> PendingJob:
    """Return a job of a full cluster: mostly ready to start, often in the way of others."""
    kind = rng.choice([kind for kind in Kind if kind is not Kind.SINGLETON])
    targets = tuple({rng.randrange(max(1, job_id - 6), job_id + 1) for _ in range(2)} - {job_id})
    depends = targets and rng.random() < 0.25
    return PendingJob(
        job_id=job_id,
        user=rng.choice(USERS),
        account=rng.choice(ACCOUNTS),
        qos=rng.choice(("normal", "high")),
        partition="main",
        name=rng.choice(("x", "y")),
        submitted_at=float(job_id),
        gang=Gang(
            workers=rng.choice((1, 1, 2, 3)),
            gpus_per_worker=rng.choice((1, 2, 4)),
            gpu_type=rng.choice(("a", "v", None)),
        ),
        time_limit_s=rng.choice((None, 50, 100, 500)),
        nice=rng.choice((0, 0, 100)),
        hold=Hold.USER if rng.random() < 0.05 else None,
        begin_at=1000.0 + rng.randrange(2000) if rng.random() < 0.1 else None,
        dependencies=(Dependency(kind=kind, targets=targets),) if depends else
        (Dependency(kind=Kind.SINGLETON),) if rng.random() < 0.1 else (),
        array_id=7 if job_id % 5 == 0 else None,
        throttle=1 if job_id % 5 == 0 else None,
    )  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_the_incremental_pass_stays_the_full_one_in_a_long_run_of_a_full_cluster(seed: int):
    rng = random.Random(seed)
    nodes = tuple(
        NodeView(name=f"n{i}", partition="main", gpus=rng.choice((4, 8)), gpu_type="av"[i % 2]) for i in range(4)
    )
    limits = Limits(
        users={"ann": Limit(running_gpus=4), "bob": Limit(running_jobs=2)},
        accounts={"a": Limit(running_gpus=12)},
        qos_users={"high": Limit(running_jobs=1)},
    )
    rules = Rules(limits=limits, promises=rng.choice((1, 2, 4)), idle_budget=rng.choice((0.3, 1.0)))
    engine = Engine(Snapshot(now=1000.0, nodes=nodes, pending=(), active=(), rules=rules))
    now, next_id = 1000.0, 1

    for _ in range(80):
        decided = engine.plan(now)
        view = engine.snapshot(now)
        pending = {job.job_id: job for job in view.pending}
        for start in decided.starts:
            if rng.random() < 0.9:  # some were cancelled meanwhile, or came too late
                engine.begin(begun(pending[start.job_id], start, now))
        now += rng.choice((0.0, 1.0, 10.0, 40.0))
        if len(pending) < 12 or rng.random() < 0.3:
            engine.submit(some_job(rng, next_id))
            next_id += 1
        if view.active and rng.random() < 0.6:
            ended = rng.choice(view.active)
            engine.end(ended.job_id, rng.choice((Fate.OK, Fate.FAILED)))
        if rng.random() < 0.05 and pending:
            engine.remove(rng.choice(sorted(pending)))
        same(engine, now)


@settings(deadline=None)
@given(st.data())
def test_the_order_of_rows_does_not_matter(data: st.DataObject):
    world = data.draw(worlds())
    rows = [data.draw(jobs(i + 1)) for i in range(data.draw(st.integers(0, 10)))]
    shuffled = data.draw(st.permutations(rows))

    one = plan(replace(world, pending=tuple(rows)))
    other = plan(replace(world, pending=tuple(shuffled), nodes=tuple(reversed(world.nodes))))

    assert (one.starts, one.promises, dict(one.reasons)) == (other.starts, other.promises, dict(other.reasons))
