"""Promises over time: no promised start moves back, nobody who can run waits for ever, shares come out."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from gpuq_daemon.policy.accounts import Account, Association, Tree
from gpuq_daemon.policy.fairtree import Share, Shares
from gpuq_daemon.policy.rules import Rules, Weights
from tests.policy.build import a_job, a_node, a_snapshot, nodes
from tests.policy.virtual import Virtual

_ARRIVALS = st.tuples(
    st.integers(0, 200),  # when
    st.sampled_from([1, 1, 2, 3]),  # workers
    st.sampled_from([1, 2, 4]),  # GPUs of each
    st.integers(-5, 5),  # nice
    st.sampled_from([10, 20, 50, 100, None]),  # time limit
    st.floats(0.5, 1.0),  # part of it that it runs
)


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.sampled_from([2, 4, 8]), min_size=1, max_size=4),
    st.lists(_ARRIVALS, max_size=25),
    st.sampled_from([1, 2, 4]),
)
def test_no_promised_start_ever_moves_back(
    sizes: list[int], arrivals: list[tuple[int, int, int, int, int | None, float]], promises: int
):
    on = [a_node(f"n{i}", gpus, gpu_type="ab"[i % 2]) for i, gpus in enumerate(sizes)]
    rules = Rules(guard_after_s=None, promises=promises, idle_budget=1.0)
    cluster = Virtual(a_snapshot(on=on, rules=rules, now=0.0))
    for job_id, (at, workers, gpus, nice, limit, part) in enumerate(arrivals, 1):
        job = a_job(job_id, workers=workers, gpus_per_worker=gpus, nice=nice, time_limit_s=limit, submitted_at=0.0)
        cluster.submit(float(at), job, part * (limit or 80))
    promised: dict[int, float] = {}

    def compare() -> None:
        assert cluster.plan is not None
        for job_id, start_at in promised.items():
            if job_id in cluster.started_at:
                assert cluster.started_at[job_id] <= start_at
            else:
                assert cluster.plan.promises[job_id].start_at <= start_at
        promised.update((i, one.start_at) for i, one in cluster.plan.promises.items())

    cluster.run(100_000.0, compare)


@settings(deadline=None, max_examples=12)
@given(st.data())
def test_under_endless_small_arrivals_every_feasible_job_starts(data: st.DataObject):
    """The gang's user has the worst share and small jobs of others keep the cluster full, with limits or without."""
    rng = random.Random(data.draw(st.integers(0, 2**32)))
    limited = data.draw(st.sampled_from([0.0, 0.5, 1.0]))
    users = {
        ("root", name): Share(usage=0, due=0, used=0, level_fs=0.0, rank=1, factor=factor)
        for name, factor in (("rich", 1.0), ("poor", 0.0))
    }
    rules = Rules(guard_after_s=600.0, promises=data.draw(st.sampled_from([1, 3])))
    cluster = Virtual(a_snapshot(on=nodes(4, 4), rules=rules, now=0.0, shares=Shares(accounts={}, users=users)))
    at, job_id = 0.0, 10
    gangs = [a_job(i, user="poor", workers=data.draw(st.sampled_from([1, 2, 4])), gpus_per_worker=4, submitted_at=50.0)
             for i in (1, 2)]  # fmt: skip
    for gang in gangs:
        cluster.submit(50.0, gang, 100.0)
    while at < 2500.0:  # 16 GPUs, and work for more than 20 of them
        at += rng.expovariate(0.25)
        job_id += 1
        limit = 100 if rng.random() < limited else None
        small = a_job(job_id, user="rich", time_limit_s=limit, submitted_at=at)
        cluster.submit(at, small, rng.uniform(60, 100))
    ticks = iter(range(60, 2500, 60))
    due = next(ticks)

    def tick() -> None:
        nonlocal due
        if cluster.now >= due:
            cluster.engine.recalculate(Shares(at=cluster.now, accounts={}, users=users), {})
            due = next(ticks, 10**9)

    cluster.run(2500.0, tick)

    assert {1, 2} <= set(cluster.started_at)


def test_two_teams_with_three_shares_to_one_get_three_to_one():
    month_s, tree = 30 * 86400.0, Tree(
        accounts=(Account(name="root", parent=None), Account(name="large", shares=3), Account(name="small", shares=1)),
        associations=tuple(
            Association(user=f"{team}{i}", account=team) for team in ("large", "small") for i in (1, 2)
        ),
    )  # fmt: skip
    rng = random.Random(7)
    cluster = Virtual(a_snapshot(on=nodes(4), rules=Rules(weights=Weights(age=100)), now=0.0), tree=tree)
    next_id = 1

    def arrive(user: str) -> None:
        nonlocal next_id
        hours = rng.choice((1, 2, 4, 8))
        job = a_job(
            next_id,
            user=user,
            account=user[:-1],
            workers=rng.choice((1, 1, 2)),
            gpus_per_worker=rng.choice((1, 2, 4, 8)),
            time_limit_s=hours * 3600,
            submitted_at=cluster.now,
        )
        cluster.submit(cluster.now, job, rng.uniform(0.3, 1.0) * hours * 3600)
        next_id += 1

    waiting = [a.user for a in tree.associations for _ in range(12)]
    for user in waiting:
        arrive(user)
    queued = 0.0

    def endless() -> None:
        nonlocal queued
        assert cluster.plan is not None
        for start in cluster.plan.starts:  # each start is followed by a new job of its user
            arrive(cluster.active[start.job_id].user)
        if cluster.now >= queued:
            cluster.recalculate()
            queued = cluster.now + 300.0

    while cluster.now < month_s and cluster.step():
        endless()

    held = {team: cluster.held_gpu_s(team) for team in ("large", "small")}
    assert abs(held["large"] / held["small"] / 3 - 1) < 0.05
    assert sum(held.values()) > 0.9 * 32 * month_s
