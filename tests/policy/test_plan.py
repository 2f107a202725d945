"""Who starts, who is promised a start, who waits for what: the plan's promises to everybody."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuq.models import Reason
from gpuq_daemon.policy.billing import Billing
from gpuq_daemon.policy.fairtree import Shares
from gpuq_daemon.policy.gang import Layout
from gpuq_daemon.policy.limits import Limit, Limits, rows_of
from gpuq_daemon.policy.plan import plan
from gpuq_daemon.policy.reservation import Reservation
from gpuq_daemon.policy.rules import Rules
from gpuq_daemon.policy.snapshot import Promise, Snapshot
from tests.policy.build import a_job, a_node, a_snapshot, begun, nodes, running, started
from tests.policy.test_engine import jobs, worlds

# --- examples


def test_jobs_start_in_submit_order_where_nothing_else_is_said():
    decided = plan(a_snapshot([a_job(2, gpus_per_worker=8), a_job(1, gpus_per_worker=8)], on=nodes(1)))

    assert started(decided) == [1]
    assert decided.reasons == {2: Reason.RESOURCES}


def test_a_short_job_slips_in_front_of_a_blocked_one():
    snapshot = a_snapshot(
        [a_job(2, gpus_per_worker=8), a_job(3, time_limit_s=100), a_job(4, time_limit_s=101), a_job(5)],
        on=nodes(1),
        active=[running(1, {"n1": 4}, until=1100.0)],
    )

    decided = plan(snapshot)

    assert started(decided) == [3]
    assert decided.promises[2].start_at == 1100.0
    assert decided.reasons == {2: Reason.RESOURCES, 4: Reason.PRIORITY, 5: Reason.PRIORITY}


def test_a_job_without_an_end_does_not_take_a_promised_node_but_another():
    blocked = a_job(2, workers=2, gpus_per_worker=8)
    snapshot = a_snapshot(
        [blocked, a_job(3)],
        on=nodes(3),
        active=[running(1, {"n1": 8}, until=1100.0), running(9, {"n2": 4}, until=1100.0), running(8, {"n3": 7})],
    )

    decided = plan(snapshot)

    assert decided.promises[2].workers_by_node == {"n1": 1, "n2": 1}
    assert [(s.job_id, s.workers_by_node) for s in decided.starts] == [(3, {"n3": 1})]


def test_a_promise_behind_a_job_without_limit_keeps_its_nodes_free():
    snapshot = a_snapshot([a_job(2, gpus_per_worker=8), a_job(3)], on=nodes(1), active=[running(1, {"n1": 4})])

    decided = plan(snapshot)

    assert decided.starts == ()
    assert decided.promises[2].start_at == inf


def test_a_later_promise_is_not_given_beyond_the_idle_budget():
    waiting = [a_job(i, gpus_per_worker=8, time_limit_s=50) for i in (2, 3, 4)]
    active = [running(i + 10, {f"n{i}": 4}, until=1100.0) for i in (1, 2, 3, 4)]
    snapshot = a_snapshot(waiting, on=nodes(4), active=active)

    tight = plan(replace(snapshot, rules=Rules(idle_budget=0.25)))
    wide = plan(replace(snapshot, rules=Rules(idle_budget=0.5)))

    assert list(tight.promises) == [2, 3]
    assert list(wide.promises) == [2, 3, 4]


def test_a_gang_never_mixes_models():
    mixed = (a_node("n1", 4, gpu_type="a100"), a_node("n2", 4, gpu_type="v100"))

    decided = plan(a_snapshot([a_job(1, workers=8)], on=mixed))

    assert decided.starts == ()
    assert decided.reasons == {1: Reason.NODES_UNAVAILABLE}


def test_who_names_no_model_gets_the_cheapest():
    mixed = (a_node("n1", gpu_type="a100"), a_node("n2", gpu_type="v100"))
    rules = Rules(billing=Billing(gpu_types={"a100": 1.0, "v100": 0.4}))

    decided = plan(a_snapshot([a_job(1), a_job(2, gpu_type="a100")], on=mixed, rules=rules))

    assert [(s.gpu_type, s.workers_by_node) for s in decided.starts] == [("v100", {"n2": 1}), ("a100", {"n1": 1})]


def test_packing_keeps_the_large_hole_and_spreading_takes_one_node_each():
    snapshot = a_snapshot(on=nodes(3), active=[running(9, {"n1": 6})])

    pack = plan(replace(snapshot, pending=(a_job(1, workers=2),)))
    spread = plan(replace(snapshot, pending=(a_job(1, workers=2, layout=Layout.SPREAD),)))
    on_three = plan(replace(snapshot, pending=(a_job(1, workers=4, nodes=3),)))

    assert pack.starts[0].workers_by_node == {"n1": 2}
    assert spread.starts[0].workers_by_node == {"n2": 1, "n3": 1}
    assert on_three.starts[0].workers_by_node == {"n1": 2, "n2": 1, "n3": 1}


def test_an_exclusive_job_has_its_node_alone():
    snapshot = a_snapshot([a_job(1, is_exclusive=True), a_job(2)], on=nodes(2), active=[running(9, {"n1": 1})])

    decided = plan(snapshot)

    assert [(s.job_id, s.workers_by_node) for s in decided.starts] == [(1, {"n2": 1}), (2, {"n1": 1})]


def test_parameter_servers_go_to_nodes_without_gpus():
    mixed = (a_node("cpu", 0, cpus=8), a_node("gpu", 2, cpus=2))

    decided = plan(a_snapshot([a_job(1, workers=2, cpus_per_worker=1, ps=3, cpus_per_ps=2)], on=mixed))

    assert decided.starts[0].workers_by_node == {"gpu": 2}
    assert decided.starts[0].ps_by_node == {"cpu": 3}


def test_an_evaluator_needs_what_a_parameter_server_does():
    small, large = a_node("small", 1, cpus=2), a_node("large", 1, cpus=4)
    job = a_job(1, cpus_per_worker=1, ps=1, evaluator=True, cpus_per_ps=2, memory_mib_per_ps=100)

    decided = plan(a_snapshot([job], on=(small, large)))

    (start,) = decided.starts
    assert start.ps_by_node == {"large": 2} or sorted(start.ps_by_node.values()) == [1, 1]
    taken = begun(job, start, 0.0)
    assert sum(taken.cpus_by_node.values()) == 5
    assert plan(a_snapshot([job], on=(small,))).starts == ()


def test_nobody_runs_into_a_maintenance_window():
    window = Reservation(name="fans", nodes=frozenset({"n1"}), start_at=1500, end_at=2000)
    waiting = [a_job(1, time_limit_s=500), a_job(2, time_limit_s=501), a_job(3)]

    decided = plan(a_snapshot(waiting, on=nodes(1), reservations=(window,)))

    assert started(decided) == [1]
    assert decided.promises[2].start_at == 2000


def test_a_reservation_is_for_its_account_alone():
    kept = Reservation(name="demo", nodes=frozenset({"n1"}), start_at=900, end_at=2000, accounts=frozenset({"a"}))
    waiting = [
        a_job(1, account="a"),
        a_job(2, account="a", reservation="demo", time_limit_s=1000),
        a_job(3, account="b", reservation="demo", time_limit_s=10),
    ]

    decided = plan(a_snapshot(waiting, on=nodes(1), reservations=(kept,)))

    assert started(decided) == [2]
    assert decided.reasons[3] is Reason.RESERVATION
    assert decided.reasons[1] is Reason.RESOURCES


def test_a_drained_node_takes_nobody():
    decided = plan(a_snapshot([a_job(1)], on=[a_node(drained="fan")]))

    assert decided.reasons == {1: Reason.NODES_UNAVAILABLE}


def test_a_limit_stops_its_user_and_nobody_else():
    rules = Rules(limits=Limits(users={"ann": Limit(running_gpus=2)}))
    waiting = [a_job(1, gpus_per_worker=2), a_job(2), a_job(3, user="bob")]

    decided = plan(a_snapshot(waiting, on=nodes(1), rules=rules))

    assert started(decided) == [1, 3]
    assert decided.reasons == {2: Reason.ASSOC_GPUS}


def test_only_so_many_tasks_of_an_array_run():
    tasks = [a_job(i, array_id=1, throttle=2) for i in (1, 2, 3)]

    decided = plan(a_snapshot(tasks, on=nodes(1)))

    assert started(decided) == [1, 2]
    assert decided.reasons == {3: Reason.ARRAY_THROTTLE}


def test_the_top_goes_first_and_takes_the_place_of_a_promise():
    kept = Promise(job_id=2, start_at=1100.0, gpu_type="", workers_by_node={"n1": 1})
    snapshot = a_snapshot(
        [a_job(2, gpus_per_worker=8, time_limit_s=60), a_job(3, gpus_per_worker=8, time_limit_s=60, is_top=True)],
        on=nodes(1),
        active=[running(1, {"n1": 8}, until=1100.0)],
        promises={2: kept},
    )

    decided = plan(snapshot)

    assert {i: one.start_at for i, one in decided.promises.items()} == {3: 1100.0, 2: 1160.0}


def test_a_better_ranked_arrival_does_not_move_a_promise():
    busy = a_snapshot([a_job(2, gpus_per_worker=8)], on=nodes(1), active=[running(1, {"n1": 8}, until=1100.0)])
    first = plan(busy)
    arrival = a_job(3, gpus_per_worker=8, nice=-10_000)

    decided = plan(replace(busy, pending=(*busy.pending, arrival), promises=first.promises))

    assert decided.promises[2].start_at == 1100.0


def test_nobody_slips_in_when_a_promised_start_is_due():
    kept = Promise(job_id=3, start_at=1000.0, gpu_type="", workers_by_node={"n1": 1})
    waiting = [a_job(2, time_limit_s=10), a_job(3, time_limit_s=10)]

    decided = plan(a_snapshot(waiting, on=[a_node(gpus=1)], promises={3: kept}))

    assert started(decided) == [3]


def test_who_has_waited_too_long_goes_first():
    rules = Rules(guard_after_s=500.0)
    waiting = [a_job(1, nice=-(10**6), submitted_at=900.0), a_job(2, submitted_at=10.0)]
    decided = plan(
        a_snapshot(waiting, on=[a_node(gpus=1)], rules=rules, shares=Shares(at=1000.0, accounts={}, users={}))
    )

    assert started(decided) == [2]


# --- properties


@st.composite
def busy(draw: st.DrawFn) -> Snapshot:
    """Return a cluster in the middle of its work: some jobs run, with promises from the pass before."""
    world = draw(worlds())
    first = [draw(jobs(i + 1)) for i in range(draw(st.integers(0, 6)))]
    before = plan(replace(world, pending=tuple(first)))
    by_id = {job.job_id: job for job in first}
    active = tuple(begun(by_id[start.job_id], start, world.now) for start in before.starts)
    left = [job for job in first if job.job_id not in {one.job_id for one in active}]
    more = [draw(jobs(100 + i)) for i in range(draw(st.integers(0, 6)))]
    now = world.now + draw(st.sampled_from([0.0, 10.0, 60.0]))
    return replace(world, now=now, pending=(*left, *more), active=active, promises=before.promises)


@settings(deadline=None)
@given(busy())
def test_nothing_is_given_twice(snapshot: Snapshot):
    decided = plan(snapshot)

    by_id = {job.job_id: job for job in snapshot.pending}
    new = [begun(by_id[start.job_id], start, snapshot.now) for start in decided.starts]
    for node in snapshot.nodes:
        here = [job for job in (*snapshot.active, *new) if node.name in job.gpus_by_node]
        assert sum(job.gpus_by_node[node.name] for job in here) <= node.gpus
        assert node.cpus is None or sum(job.cpus_by_node.get(node.name, 0) for job in here) <= node.cpus
        assert (
            node.memory_mib is None or sum(job.memory_mib_by_node.get(node.name, 0) for job in here) <= node.memory_mib
        )
        assert len(here) <= 1 or not any(job.is_exclusive for job in here)
        assert node.takes_jobs or not any(job in new for job in here)


@settings(deadline=None)
@given(busy())
def test_every_gang_starts_whole_on_one_model(snapshot: Snapshot):
    decided = plan(snapshot)

    by_id = {job.job_id: job for job in snapshot.pending}
    model = {node.name: node.gpu_type for node in snapshot.nodes}
    partition = {node.name: node.partition for node in snapshot.nodes}
    for start in decided.starts:
        job = by_id[start.job_id]
        assert sum(start.workers_by_node.values()) == job.gang.workers
        assert sum(start.ps_by_node.values()) == job.gang.servers
        assert {model[name] for name in start.workers_by_node} == {start.gpu_type}
        assert job.gang.gpu_type in (None, start.gpu_type)
        assert {partition[name] for name in (*start.workers_by_node, *start.ps_by_node)} == {job.partition}
        assert job.gang.nodes in (None, len(start.workers_by_node))


@settings(deadline=None)
@given(busy())
def test_every_job_starts_or_has_one_reason(snapshot: Snapshot):
    decided = plan(snapshot)

    told = Counter([*started(decided), *decided.reasons])
    assert told == Counter(job.job_id for job in snapshot.pending)


@settings(deadline=None)
@given(busy())
def test_limits_hold(snapshot: Snapshot):
    decided = plan(snapshot)

    by_id = {job.job_id: job for job in snapshot.pending}
    new = [begun(by_id[start.job_id], start, snapshot.now) for start in decided.starts]
    gpus, count = Counter[object](), Counter[object]()
    allowed: dict[object, Limit] = {}
    for job in (*snapshot.active, *new):
        for row in rows_of(job.owner, snapshot.rules.limits):
            gpus[row.scope] += job.gpus
            count[row.scope] += 1
            allowed[row.scope] = row.limit
    for scope, limit in allowed.items():
        assert limit.running_gpus is None or gpus[scope] <= limit.running_gpus
        assert limit.running_jobs is None or count[scope] <= limit.running_jobs


@settings(deadline=None)
@given(busy())
def test_a_plan_leaves_room_for_every_promise(snapshot: Snapshot):
    decided = plan(snapshot)

    after = replace(snapshot, pending=tuple(j for j in snapshot.pending if j.job_id not in started(decided)))
    by_id = {job.job_id: job for job in snapshot.pending}
    new = tuple(begun(by_id[start.job_id], start, snapshot.now) for start in decided.starts)
    again = plan(replace(after, active=(*snapshot.active, *new), promises=decided.promises))
    for job_id, promise in decided.promises.items():
        moved = again.promises.get(job_id)
        assert job_id in started(again) or (moved is not None and moved.start_at <= promise.start_at)


@pytest.mark.parametrize("stopped", [{"placing": {"main": 1}}, {"down": {"main": "no answer"}}])
def test_a_promise_stands_while_its_partition_starts_nothing(stopped: dict[str, Any]):
    world = a_snapshot(
        [a_job(2, workers=8, time_limit_s=60)], on=nodes(1), active=[running(1, {"n1": 8}, until=2000.0)]
    )
    promises = plan(world).promises

    decided = plan(replace(world, promises=promises, **stopped))

    assert promises[2].start_at == 2000.0
    assert decided.promises == promises
