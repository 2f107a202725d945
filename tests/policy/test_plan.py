from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuq.models import Reason
from gpuq_daemon.policy.placement import place
from gpuq_daemon.policy.plan import plan
from gpuq_daemon.policy.reasons import explain
from gpuq_daemon.policy.snapshot import PendingJob, Snapshot
from tests.support.values import a_job, a_node, a_snapshot, an_active


@st.composite
def jobs(draw: st.DrawFn) -> PendingJob:
    return a_job(draw(st.integers(1, 50)), workers=draw(st.integers(1, 6)), gpus_per_worker=draw(st.integers(1, 4)))


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    sizes = draw(st.lists(st.integers(1, 8), min_size=1, max_size=5))
    nodes = tuple(a_node(f"n{i}", gpus, is_up=draw(st.booleans())) for i, gpus in enumerate(sizes))
    pending = draw(st.lists(jobs(), max_size=8, unique_by=lambda job: job.job_id))
    active = tuple(
        an_active(1000 + i, **{node.name: draw(st.integers(1, node.gpus))})
        for i, node in enumerate(nodes)
        if draw(st.booleans())
    )
    return a_snapshot(nodes=nodes, pending=tuple(pending), active=active)


@given(snapshots())
def test_no_gpu_is_given_twice(snapshot: Snapshot) -> None:
    free = snapshot.free_by_node()
    jobs = {job.job_id: job for job in snapshot.pending}

    for start in plan(snapshot).starts:
        for node, workers in start.workers_by_node.items():
            free[node] -= workers * jobs[start.job_id].gpus_per_worker

    assert all(gpus >= 0 for gpus in free.values())


@given(snapshots())
def test_gangs_start_whole_or_not_at_all_and_every_other_job_has_its_reason(snapshot: Snapshot) -> None:
    decided = plan(snapshot)
    jobs = {job.job_id: job for job in snapshot.pending}

    started = {start.job_id: sum(start.workers_by_node.values()) for start in decided.starts}
    assert all(jobs[job_id].workers == workers for job_id, workers in started.items())
    assert started.keys() | decided.reasons.keys() == jobs.keys()
    assert not started.keys() & decided.reasons.keys()


@given(snapshots(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(snapshot: Snapshot, random: Random) -> None:
    shuffled = list(snapshot.pending)
    random.shuffle(shuffled)

    assert plan(replace(snapshot, pending=tuple(shuffled))) == plan(snapshot)


@given(snapshots())
def test_nobody_passes_a_gang_that_waits(snapshot: Snapshot) -> None:
    decided = plan(snapshot)

    first_waiting = min(decided.reasons, default=10**9)
    assert all(start.job_id < first_waiting for start in decided.starts)


@given(snapshots())
def test_the_reason_is_the_same_wherever_it_is_asked(snapshot: Snapshot) -> None:
    reasons = plan(snapshot).reasons

    for job in snapshot.pending:
        why = explain(snapshot, job.job_id)
        assert why.reason == reasons.get(job.job_id)
        assert why.text
        assert "\n" not in why.text


def test_a_gang_takes_the_fullest_nodes_that_take_it() -> None:
    job = a_job(1, workers=2)

    assert place(job, {"a": 4, "b": 1, "c": 2}) == {"b": 1, "c": 1}


def test_a_worker_is_not_split_over_nodes() -> None:
    assert place(a_job(1, gpus_per_worker=2), {"a": 1, "b": 1}) is None


def test_a_down_engine_holds_its_partition_only() -> None:
    snapshot = a_snapshot(
        nodes=(a_node("a", 1), a_node("z", 1, partition="q")),
        pending=(a_job(1), a_job(2, partition="q")),
        down={"p": "the master has died"},
    )

    decided = plan(snapshot)

    assert [start.job_id for start in decided.starts] == [2]
    assert decided.reasons == {1: Reason.ENGINE_DOWN}
    assert explain(snapshot, 1).text == "its partition starts nothing now: the master has died."


def test_who_waits_for_resources_is_told_who_holds_them_and_until_when() -> None:
    until = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp()
    holder = replace(an_active(7, a=2, b=1), until=until)
    snapshot = a_snapshot(pending=(a_job(8, workers=2, gpus_per_worker=2),), active=(holder,))

    why = explain(snapshot, 8, gpu_kind="A100")

    local = datetime.fromtimestamp(until, UTC).astimezone()
    assert why.text == (
        f"needs 4 A100s (2 x 2), 1 of 4 free: job 7 (bob) holds 3 until {local:%H:%M:%S} at the latest."
    )


def test_who_waits_behind_others_is_told_how_many_and_how_much() -> None:
    snapshot = a_snapshot(pending=(a_job(1, workers=4), a_job(2, workers=2), a_job(3)), active=(an_active(9, a=1),))

    why = explain(snapshot, 3)

    assert why.reason is Reason.PRIORITY
    assert why.text == "2 jobs are ahead, wanting 6 GPUs; 3 of 4 free."


def test_a_job_that_does_not_wait_has_no_reason_to_give() -> None:
    with pytest.raises(KeyError):
        explain(a_snapshot(), 1)
