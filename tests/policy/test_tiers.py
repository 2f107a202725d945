"""The policy of three tiers: what it promises, by example and for any course of events."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gpuq.models import Reason
from gpuq_daemon.policy.accounts import Account, Association, Tree
from gpuq_daemon.policy.dependency import Fate
from gpuq_daemon.policy.gang import Gang
from gpuq_daemon.policy.limits import Limit, Limits
from gpuq_daemon.policy.reservation import Reservation
from gpuq_daemon.policy.rules import Qos, Rules
from gpuq_daemon.policy.snapshot import ActiveJob, NodeView, Past, PendingJob, Plan, Snapshot, Start
from gpuq_daemon.policy.tiers.engine import TieredEngine
from gpuq_daemon.policy.tiers.settings import Owed, Tiers, TierState
from tests.policy.build import a_job, a_snapshot, begun, nodes, running, started

H = 3600.0
NOW = 1000 * H
TIERS = Rules(tiers=Tiers())


def saving(job_id: int, **more: Any) -> PendingJob:
    """Return a job that waits since long ago and may be stopped."""
    return a_job(job_id, **{"submitted_at": NOW - 5 * H, "is_preemptible": True, **more})


def stoppable(job_id: int, on: dict[str, int], **more: Any) -> ActiveJob:
    """Return a job that runs since two hours and may be stopped."""
    gpus = max(on.values())
    values: dict[str, Any] = {
        "is_preemptible": True,
        "started_at": NOW - 2 * H,
        "submitted_at": NOW - 9 * H,
        "gang": Gang(workers=len(on), gpus_per_worker=gpus),
        **more,
    }
    return running(job_id, on, **values)


def decide(pending: list[PendingJob], *, nodes_: int = 1, active: list[ActiveJob] | None = None, **more: Any) -> Plan:
    """Return what the policy decides on nodes with eight GPUs each."""
    values: dict[str, Any] = {"rules": TIERS, **more}
    there = a_snapshot(pending, on=nodes(nodes_), active=active or (), now=NOW, **values)
    return TieredEngine(there).plan(NOW)


def stopped(plan: Plan) -> list[int]:
    """Return the jobs that a plan stops, without those it moves."""
    return [one.job_id for one in plan.preemptions if one.moved is None]


def old(gpu_h: float) -> Past:
    """Return the past of a job that has had so many GPU-hours in an hour."""
    return Past(ran_s=H, attained_gpu_s=gpu_h * H)


def test_a_small_job_takes_the_place_of_one_that_has_had_much():
    large = stoppable(1, {"n1": 8}, past=old(100))

    plan = decide([saving(2)], active=[large])

    assert (started(plan), stopped(plan)) == ([2], [1])


def test_nobody_is_stopped_for_who_has_hardly_waited():
    large = stoppable(1, {"n1": 8}, past=old(100))

    plan = decide([saving(2, submitted_at=NOW - 60)], active=[large])

    assert (started(plan), stopped(plan)) == ([], [])


def test_the_first_that_waits_waits_for_room_also_where_all_is_held_by_those_before_it():
    small = stoppable(1, {"n1": 8}, started_at=NOW - 60, submitted_at=NOW - 6 * H)
    large = stoppable(2, {"n1": 8}, past=old(100), started_at=NOW - 60)

    for holder, past in ((small, Past()), (large, old(200))):
        plan = decide([saving(3, past=past), saving(4, submitted_at=NOW - 4 * H, past=past)], active=[holder])

        assert (plan.reasons[3], plan.reasons[4]) == (Reason.RESOURCES, Reason.PRIORITY)


def test_nobody_is_stopped_who_has_hardly_run_or_may_not_be():
    young = stoppable(1, {"n1": 8}, past=old(100), started_at=NOW - 60)
    firm = stoppable(1, {"n1": 8}, past=old(100), is_preemptible=False)

    assert stopped(decide([saving(2)], active=[young])) == []
    assert stopped(decide([saving(2)], active=[firm])) == []


def test_a_clock_that_is_set_back_decides_by_its_own_time():
    large = stoppable(1, {"n1": 8}, past=old(100))
    engine = TieredEngine(a_snapshot([saving(2)], on=nodes(1), active=[large], now=NOW, rules=TIERS))
    assert stopped(engine.plan(NOW)) == [1]

    assert stopped(engine.plan(NOW - 1.5 * H)) == []
    assert stopped(engine.plan(NOW)) == [1]


def test_who_comes_to_have_had_much_while_it_runs_is_no_small_job_any_more():
    large = stoppable(1, {"n1": 8}, past=old(100))
    small = stoppable(2, {"n2": 4}, started_at=NOW - H)
    waiting = [saving(i, gpus_per_worker=8, past=old(7.99)) for i in (3, 4)]
    engine = TieredEngine(a_snapshot(waiting, on=nodes(2), active=[large, small], now=NOW, rules=TIERS))

    assert stopped(engine.plan(NOW)) == [1]
    assert set(stopped(engine.plan(NOW + H))) == {1, 2}


def test_nobody_is_stopped_more_often_than_the_cap():
    rules = Rules(tiers=Tiers(most_preemptions=3))
    worn = stoppable(1, {"n1": 8}, past=replace(old(100), preempted=3))

    assert stopped(decide([saving(2)], active=[worn], rules=rules)) == []


def test_nobody_is_stopped_where_preemption_is_off():
    rules = Rules(tiers=Tiers(may_preempt=False))

    assert decide([saving(2)], active=[stoppable(1, {"n1": 8}, past=old(100))], rules=rules).preemptions == ()


def test_who_would_lose_least_since_its_last_checkpoint_is_stopped():
    fresh = stoppable(1, {"n1": 4}, past=old(100), saved_at=NOW - 60)
    stale = stoppable(2, {"n1": 4}, past=old(100), saved_at=NOW - 2 * H)

    assert stopped(decide([saving(3, gpus_per_worker=4)], active=[stale, fresh])) == [1]


def test_no_more_are_stopped_than_have_to_be():
    ones = [stoppable(i, {"n1": 1}, past=old(100)) for i in range(1, 9)]

    plan = decide([saving(9, gpus_per_worker=2)], active=ones)

    assert len(stopped(plan)) == 2


def test_nobody_is_stopped_for_a_job_that_does_not_start_even_so():
    firm = running(1, {"n1": 1}, started_at=0.0)
    ones = [stoppable(i, {"n1": 1}, past=old(100)) for i in range(2, 9)]

    plan = decide([saving(9, gpus_per_worker=8)], active=[firm, *ones])

    assert (started(plan), plan.preemptions) == ([], ())


def test_an_account_below_its_share_takes_from_one_above():
    ann = [stoppable(i, {"n1": 4}, user="ann", past=old(100)) for i in (1, 2)]
    bob = saving(3, user="bob", gpus_per_worker=4, past=replace(old(100), stopped_at=NOW - 2 * H))

    plan = decide([bob], active=ann)

    assert started(plan) == [3]
    assert len(stopped(plan)) == 1


def test_an_account_at_its_share_takes_from_nobody():
    mine = stoppable(1, {"n1": 4}, user="bob", past=old(100))
    theirs = stoppable(2, {"n1": 4}, user="ann", past=old(100))
    more = saving(3, user="bob", gpus_per_worker=4, past=replace(old(100), stopped_at=NOW - 2 * H))
    also = saving(4, user="ann", gpus_per_worker=4, past=replace(old(100), stopped_at=NOW - 2 * H))

    assert decide([more, also], active=[mine, theirs]).preemptions == ()


def test_shares_count_down_the_tree_of_accounts():
    tree = Tree(
        accounts=(Account(name="root", parent=None), Account(name="a", shares=3), Account(name="b", shares=1)),
        associations=(Association(user="ann", account="a"), Association(user="bob", account="b")),
    )
    mine = [stoppable(i, {f"n{i}": 4}, user="ann", account="a", past=old(100)) for i in range(1, 5)]
    theirs = [stoppable(i + 4, {f"n{i}": 4}, user="bob", account="b", past=old(100)) for i in range(1, 5)]
    past = replace(old(100), stopped_at=NOW - 2 * H)
    wants = [saving(i, user="ann", account="a", gpus_per_worker=4, past=past) for i in (9, 10, 11)]

    plan = decide(wants, nodes_=4, active=[*mine, *theirs], rules=Rules(tiers=Tiers(), tree=tree))

    assert started(plan)  # 24 of 32 are its share, and it has 16
    assert set(stopped(plan)) <= {5, 6, 7, 8}


def test_what_an_account_is_owed_is_repaid():
    past = replace(old(100), stopped_at=NOW - 2 * H)
    mine = [stoppable(i, {f"n{i}": 4}, user="ann", past=old(100)) for i in range(1, 5)]
    theirs = [stoppable(i + 4, {f"n{i}": 4}, user="bob", past=old(100)) for i in range(1, 5)]
    both = [*mine, *theirs]
    wants = [saving(9, user="ann", gpus_per_worker=4, past=past), saving(10, user="bob", gpus_per_worker=4, past=past)]
    much = 8000 * 12 * H
    owed = TierState(at=NOW, owed={"u:ann": Owed(unit_s=much, rate=0), "u:bob": Owed(unit_s=-much, rate=0)})

    assert decide(wants, nodes_=4, active=both).preemptions == ()
    assert started(decide(wants, nodes_=4, active=both, tiers=owed)) == [9]


def test_who_waited_too_long_goes_before_small_jobs():
    rules = Rules(tiers=Tiers(guard_part=1.0))
    late = saving(1, submitted_at=NOW - 300 * H, gpus_per_worker=8, past=Past(ran_s=H, attained_gpu_s=100 * H))

    plan = decide([saving(2), late], rules=rules)

    assert started(plan) == [1]
    assert plan.tiers.guarded == {1}


def test_the_guarded_hold_no_more_than_their_part():
    late = [
        saving(i, submitted_at=NOW - 300 * H + i, gpus_per_worker=4, past=Past(ran_s=H, attained_gpu_s=100 * H))
        for i in (1, 2)
    ]
    small = saving(3, gpus_per_worker=4)

    assert started(decide([*late, small])) == [1, 3]


def a_giant(**more: Any) -> PendingJob:
    """Return a job that wants more than the guarded may hold, and has waited too long."""
    return saving(1, submitted_at=NOW - 300 * H, gpus_per_worker=8, workers=2, past=old(100), **more)


def test_who_asks_for_more_than_the_guarded_may_hold_gets_it_alone():
    others = [stoppable(2, {"n1": 8}, submitted_at=NOW - 250 * H), stoppable(3, {"n2": 4})]

    plan = decide([a_giant(), saving(4, submitted_at=NOW - 299 * H)], nodes_=2, active=others)

    assert (started(plan), sorted(stopped(plan))) == ([1], [2, 3])
    assert plan.tiers.guarded == {1}


def test_nobody_starts_before_a_giant_that_waits_only_for_some_to_have_run_long_enough():
    young = stoppable(2, {"n1": 4}, started_at=NOW - 600)

    near = decide([a_giant(), saving(4)], nodes_=2, active=[young])
    far = decide([a_giant(), saving(4)], nodes_=2, active=[replace(young, is_preemptible=False)])

    assert (started(near), stopped(near), near.reasons[4]) == ([], [], Reason.PRIORITY)
    assert started(far) == [4]


def test_a_giant_leaves_those_alone_who_are_guarded():
    guarded = stoppable(2, {"n1": 4}, submitted_at=NOW - 400 * H)
    state = TierState(at=NOW - 600, guarded=frozenset({2}))

    plan = decide([a_giant(), saving(4)], nodes_=2, active=[guarded], tiers=state)

    assert (started(plan), stopped(plan)) == ([4], [])


def test_the_guard_shrinks_as_shares_are_missed_where_fairness_is_first():
    tiers = Tiers(is_governed=True)

    assert tiers.guard_part_at(0.05) == 0.5
    assert abs(tiers.guard_part_at(0.2) - 0.3) < 1e-9
    assert abs(tiers.guard_part_at(0.9) - 0.1) < 1e-9
    assert Tiers().guard_part_at(0.9) == 0.5


def test_small_jobs_are_moved_together_for_one_that_needs_a_whole_node():
    small = [stoppable(i, {f"n{i}": 1}, submitted_at=NOW - 20 * H, started_at=NOW - 1.2 * H) for i in (1, 2)]

    plan = decide([saving(3, gpus_per_worker=8, user="bob")], nodes_=2, active=small)

    moves = [one for one in plan.preemptions if one.moved is not None]
    assert started(plan) == [3]
    assert len(moves) == 1
    assert moves[0].moved is not None
    assert set(moves[0].moved.workers_by_node).isdisjoint(plan.starts[0].workers_by_node)


def test_a_higher_qos_goes_first_and_may_take_a_place():
    rules = Rules(tiers=Tiers(), qos={"high": Qos(priority=10), "normal": Qos()})
    large = stoppable(1, {"n1": 8})
    high = saving(2, qos="high", gpus_per_worker=8)

    plan = decide([saving(3, gpus_per_worker=8, submitted_at=NOW - 6 * H), high], active=[large], rules=rules)

    assert (started(plan), stopped(plan)) == ([2], [1])


def test_what_may_not_be_stopped_keeps_out_of_a_promise_and_what_may_does_not():
    firm = running(1, {"n1": 8}, started_at=NOW - H, until=NOW + H)
    first = saving(2, gpus_per_worker=8, workers=2, submitted_at=NOW - 9 * H)
    long = a_job(3, gpus_per_worker=8, submitted_at=NOW - 5 * H, time_limit_s=int(9 * H))

    with_firm = decide([first, long], nodes_=2, active=[firm])
    with_saving = decide([first, replace(long, is_preemptible=True)], nodes_=2, active=[firm])

    assert started(with_firm) == []
    assert with_firm.promises[2].start_at == NOW + H
    assert started(with_saving) == [3]


def test_limits_hold_and_stopping_makes_room_in_them():
    limits = Limits(accounts={"root": Limit(running_jobs=1)})
    large = stoppable(1, {"n1": 8}, past=old(100))

    plan = decide([saving(2)], nodes_=2, active=[large], rules=Rules(tiers=Tiers(), limits=limits))

    assert started(plan) == []
    assert plan.reasons[2].value == "AssocGrpJobsLimit"


# --- for any course of events


def fresh(engine: TieredEngine, now: float) -> None:
    """Assert that an engine made anew from what one knows decides the same."""
    expected = TieredEngine(engine.snapshot(now)).plan(now)

    found = engine.plan(now)

    assert found.starts == expected.starts
    assert found.preemptions == expected.preemptions
    assert found.promises == expected.promises
    assert dict(found.reasons) == dict(expected.reasons)
    assert found.tiers.guarded == expected.tiers.guarded


def sound(engine: TieredEngine, plan: Plan, view: Snapshot) -> None:
    """Assert what the policy promises of every plan."""
    pending = {job.job_id: job for job in view.pending}
    active = {job.job_id: job for job in view.active}
    starts = {start.job_id for start in plan.starts}
    held: dict[str, int] = {}
    gone = {one.job_id for one in plan.preemptions}
    assert len(gone) == len(plan.preemptions)
    tiers = view.rules.tiers
    assert tiers is not None
    for one in plan.preemptions:
        job = active[one.job_id]
        assert one.for_job in starts
        assert job.is_preemptible
        assert view.now - job.started_at >= tiers.least_run_s
    for job in active.values():
        if job.job_id not in gone:
            for node, gpus in job.gpus_by_node.items():
                held[node] = held.get(node, 0) + gpus
    placed: list[tuple[Gang, Start]] = [(pending[start.job_id].gang, start) for start in plan.starts]
    for one in plan.preemptions:
        gang = active[one.job_id].gang
        if one.moved is not None and gang is not None:
            placed.append((gang, one.moved))
    for gang, start in placed:
        assert sum(start.workers_by_node.values()) == gang.workers
        for node, count in start.workers_by_node.items():
            held[node] = held.get(node, 0) + count * gang.gpus_per_worker
    whole = {node.name: node.gpus for node in view.nodes}
    assert all(gpus <= whole[node] for node, gpus in held.items())


def any_job(rng: random.Random, job_id: int, now: float) -> PendingJob:
    """Return a job of a full cluster."""
    return PendingJob(
        job_id=job_id,
        user=rng.choice(("ann", "bob")),
        account=rng.choice(("a", "b", "root")),
        qos=rng.choice(("normal", "normal", "high")),
        partition="main",
        submitted_at=now - rng.choice((0.0, 0.0, 5 * H, 220 * H)),
        gang=Gang(
            workers=rng.choice((1, 1, 2, 3)),
            gpus_per_worker=rng.choice((1, 2, 4)),
            gpu_type=rng.choice(("a", "v", None)),
            cpus_per_worker=rng.choice((0, 0, 2)),
            is_exclusive=rng.random() < 0.1,
        ),
        time_limit_s=rng.choice((None, 3600, 36_000)),
        is_top=rng.random() < 0.05,
        begin_at=now + 2 * H if rng.random() < 0.1 else None,
        reservation="window" if rng.random() < 0.05 else None,
        is_preemptible=rng.random() < 0.8,
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32))
def test_in_any_course_plans_are_sound_and_an_engine_made_anew_decides_the_same(seed: int):
    rng = random.Random(seed)
    some = tuple(
        NodeView(name=f"n{i}", partition="main", gpus=rng.choice((4, 8)), gpu_type="av"[i % 2], cpus=12)
        for i in range(4)
    )
    limits = Limits(users={"ann": Limit(running_gpus=12)}, qos_users={"high": Limit(running_jobs=2)})
    tree = Tree(
        accounts=(Account(name="root", parent=None), Account(name="a", shares=2), Account(name="b", shares=None)),
        associations=(Association(user="ann", account="a", shares=3),),
    )
    rules = Rules(
        limits=limits,
        qos={"high": Qos(priority=5, usage_factor=2.0)},
        tiers=Tiers(is_governed=rng.random() < 0.5, small_gpu_s=rng.choice((0.0, 8 * H)), guard_part=0.6),
        tree=tree,
    )
    window = Reservation(name="window", nodes=frozenset({"n1"}), start_at=NOW + 8 * H, end_at=NOW + 20 * H)
    engine = TieredEngine(Snapshot(now=NOW, nodes=some, pending=(), active=(), rules=rules, reservations=(window,)))
    now, next_id = NOW, 1

    for _ in range(60):
        view = engine.snapshot(now)
        plan = engine.plan(now)
        sound(engine, plan, view)
        carry_out(engine, plan, now)
        now += rng.choice((0.0, 60.0, H, 6 * H))
        for _ in range(rng.choice((0, 1, 3))):
            engine.submit(any_job(rng, next_id, now))
            next_id += 1
        view = engine.snapshot(now)
        if view.active and rng.random() < 0.4:
            engine.end(rng.choice(view.active).job_id, Fate.OK)
        if view.pending and rng.random() < 0.1:
            engine.remove(rng.choice(view.pending).job_id)
        fresh(engine, now)


def carry_out(engine: TieredEngine, plan: Plan, now: float) -> None:
    """Do what a plan says."""
    view = engine.snapshot(now)
    pending = {job.job_id: job for job in view.pending}
    active = {job.job_id: job for job in view.active}
    for one in plan.preemptions:
        engine.stop(one.job_id)
        gone = waiting_again(active[one.job_id], now)
        if one.moved is None:
            engine.submit(gone)
        else:
            pending[one.job_id] = gone
    moved = [one.moved for one in plan.preemptions if one.moved is not None]
    for start in (*plan.starts, *moved):
        engine.begin(begun(pending[start.job_id], start, now))


def waiting_again(job: ActiveJob, now: float) -> PendingJob:
    """Return a stopped job as it waits."""
    assert job.gang is not None
    ran = now - job.started_at
    return PendingJob(
        job_id=job.job_id,
        user=job.user,
        account=job.account,
        qos=job.qos,
        partition=job.partition,
        submitted_at=job.started_at if job.submitted_at is None else job.submitted_at,
        gang=job.gang,
        is_preemptible=True,
        past=Past(
            ran_s=job.past.ran_s + ran,
            attained_gpu_s=job.past.attained_gpu_s + ran * job.gpus,
            preempted=job.past.preempted + 1,
            stopped_at=now,
        ),
    )


def test_what_is_kept_for_a_job_nobody_else_gets_and_the_job_itself_does():
    engine = TieredEngine(
        a_snapshot(
            [saving(2, gpus_per_worker=8)],
            on=nodes(1),
            active=[stoppable(1, {"n1": 8}, past=old(100))],
            now=NOW,
            rules=TIERS,
        )
    )
    plan = engine.plan(NOW)
    assert (started(plan), stopped(plan)) == ([2], [1])

    engine.reserve(begun(engine.pending(2), plan.starts[0], NOW))
    engine.submit(saving(3, submitted_at=NOW - 6 * H))
    while_leaving = engine.plan(NOW + 5)
    engine.stop(1)
    once_gone = engine.plan(NOW + 10)
    assert (started(while_leaving), while_leaving.preemptions) == ([], ())
    assert (started(once_gone), once_gone.preemptions) == ([], ())
    assert engine.reason(2) is Reason.RESOURCES

    engine.unreserve(2)

    assert set(started(engine.plan(NOW + 20))) == {3}
    engine.remove(3)
    assert started(engine.plan(NOW + 30)) == [2]


def test_a_job_that_is_cancelled_gives_back_what_is_kept_for_it():
    engine = TieredEngine(a_snapshot([saving(1, gpus_per_worker=8)], on=nodes(1), now=NOW, rules=TIERS))
    engine.reserve(begun(engine.pending(1), engine.plan(NOW).starts[0], NOW))
    engine.submit(saving(2, gpus_per_worker=8))
    assert started(engine.plan(NOW)) == []

    engine.remove(1)

    assert started(engine.plan(NOW)) == [2]
