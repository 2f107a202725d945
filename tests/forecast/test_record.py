"""Passes on record: back exactly as they were, decided alike again, bounded."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuq.errors import NotFoundError, UsageError
from gpuq.models import JobState, Reason
from gpuq_daemon.clock import WallClock
from gpuq_daemon.forecast.packing import Scene, plain
from gpuq_daemon.forecast.record import applied, decided_of, decision_of, difference, scene_of, small
from gpuq_daemon.forecast.then import decided_again, then, why_then
from gpuq_daemon.policy.dependency import Fate
from gpuq_daemon.policy.making import engine_for
from gpuq_daemon.policy.rules import Rules
from gpuq_daemon.policy.snapshot import ActiveJob, Plan, Snapshot
from gpuq_daemon.policy.starting import begun
from gpuq_daemon.policy.tiers.settings import NO_STATE, Owed, Tiers, TierState
from gpuq_daemon.recorder import Recorder
from gpuq_daemon.store.database import Database
from gpuq_daemon.store.passes import PassStore
from tests.policy.build import a_job, a_snapshot, nodes

TIERS = Tiers(least_run_s=60, small_patience_s=30, patience_s=60, small_gpu_s=500, levels_gpu_s=(500.0, 2000.0))


def passes(seed: int, rules: Rules) -> Iterator[tuple[Scene, Plan]]:
    """Go through the passes of some busy minutes on a small cluster, with what each saw."""
    rng = random.Random(seed)
    engine = engine_for(Snapshot(now=0.0, nodes=nodes(3, 4), pending=(), active=(), rules=rules))
    running: dict[int, ActiveJob] = {}
    now, number = 1000.0, 1
    for _ in range(25):
        now += rng.uniform(5.0, 120.0)
        for _ in range(rng.randrange(3)):
            asks = {"user": rng.choice("abc"), "time_limit_s": rng.choice((None, 300, 900)), "submitted_at": now}
            job = a_job(number, workers=rng.choice((1, 1, 2, 6)), gpus_per_worker=rng.choice((1, 2)), **asks)
            engine.submit(replace(job, is_preemptible=rng.random() < 0.7))
            number += 1
        for job_id in [one for one in running if rng.random() < 0.1]:
            engine.end(job_id, Fate.OK)
            del running[job_id]
        promises, tiers = engine.remembered()
        plan = engine.plan(now)
        saw = replace(engine.snapshot(now), promises=promises, tiers=tiers)
        yield Scene(snapshot=plain(saw), reserved=engine.reserved()), plan
        pending = {job.job_id: job for job in saw.pending}
        for one in plan.preemptions:
            gone = running.pop(one.job_id)
            engine.stop(one.job_id)
            if one.moved is not None:
                running[one.job_id] = replace(gone, gpus_by_node=_gpus(gone, one.moved.workers_by_node))
                engine.begin(running[one.job_id])
        for start in plan.starts:
            running[start.job_id] = begun(pending[start.job_id], start, now)
            engine.begin(running[start.job_id])


def _gpus(job: ActiveJob, workers: object) -> dict[str, int]:
    assert job.gang is not None
    assert isinstance(workers, dict)
    return {str(node): int(count) * job.gang.gpus_per_worker for node, count in workers.items()}  # pyright: ignore


@given(
    st.integers(0, 10_000),
    st.sampled_from([Rules(), Rules(tiers=TIERS), Rules(tiers=replace(TIERS, is_governed=True))]),
)
def test_a_pass_on_record_is_decided_again_exactly(seed: int, rules: Rules) -> None:
    whole, changes, last = b"", list[bytes](), None
    for scene, plan in passes(seed, rules):
        change = None if last is None else difference(last, scene)
        if change is None:
            whole, changes = small(scene), []
        else:
            changes.append(small(change))
        last = scene

        back = scene_of(whole, changes)

        assert back == scene
        assert decided_again(back) == decided_of(plan) == decision_of(small(decided_of(plan)))


def test_jobs_in_another_order_are_written_down_whole() -> None:
    one, other = a_job(1), a_job(2)
    before = Scene(snapshot=a_snapshot([one, other]), reserved={})
    after = Scene(snapshot=a_snapshot([other, one]), reserved={})

    assert difference(before, after) is None
    changed = Scene(snapshot=a_snapshot([one, replace(other, nice=5)]), reserved={})
    change = difference(before, changed)
    assert change is not None
    assert applied(before, change) == changed
    assert [job.job_id for job in change.pending_new] == [2]


def test_another_policy_decides_otherwise_and_says_so() -> None:
    """Under fair tiers the small one goes first, in the order of arrival the large one."""
    large = a_job(1, gpus_per_worker=4, user="ann")
    large = replace(large, past=replace(large.past, attained_gpu_s=1e6, ran_s=1.0, stopped_at=5.0))
    small_one = a_job(2, gpus_per_worker=4, user="bob", is_preemptible=True)
    scene = Scene(snapshot=a_snapshot([large, small_one], on=nodes(1, 4), rules=Rules(tiers=TIERS)), reserved={})

    assert [start.job_id for start in decided_again(scene).starts] == [2]
    assert [start.job_id for start in decided_again(scene, "easy").starts] == [1]
    with pytest.raises(UsageError, match="There is no policy 'best'"):
        decided_again(scene, "best")


def test_what_was_kept_for_a_job_is_kept_again() -> None:
    job = a_job(1, gpus_per_worker=4)
    scene = Scene(snapshot=a_snapshot([job], on=nodes(1, 4), rules=Rules(tiers=TIERS)), reserved={})
    [start] = decided_again(scene).starts

    kept = replace(scene, reserved={1: begun(job, start, 1000.0)})

    assert decided_again(kept).starts == ()


def test_why_a_job_waited_then_is_said_with_the_arithmetic_of_then() -> None:
    scene, _ = list(passes(7, Rules()))[-1]
    waiting = next(job for job in scene.snapshot.pending)

    why = why_then(scene, waiting.job_id, "GPU")

    assert why.state is JobState.PENDING
    assert why.reason in (Reason.RESOURCES, Reason.PRIORITY)
    assert then(scene).reasons[waiting.job_id] is why.reason
    active = scene.snapshot.active[0]
    assert f"held {active.gpus} GPUs on" in why_then(scene, active.job_id, "GPU").text
    with pytest.raises(NotFoundError, match="Job 999 neither waited nor ran"):
        why_then(scene, 999, "GPU")


def test_bytes_that_are_cut_off_or_foreign_are_refused() -> None:
    data = small(Scene(snapshot=a_snapshot([a_job(1)]), reserved={}))

    for bad in (data[:-3], b"", b"x" * 40):
        with pytest.raises(ValueError, match="on record"):
            scene_of(bad, ())


def test_the_record_is_written_read_at_any_time_and_bounded(tmp_path: Path) -> None:
    seen = list(passes(3, Rules(tiers=TIERS)))
    times = [scene.snapshot.now for scene, _ in seen]

    async def keep() -> None:
        recorder = Recorder(store, WallClock(), days=lambda: 1e9, mib=lambda: 1)
        for scene, plan in seen:
            recorder.saw(scene, plan)
            await recorder.write_next()

    database = Database(tmp_path / "flight.db", "flight")
    try:
        store = PassStore(database)
        asyncio.run(keep())

        assert store.at(times[0] - 1) is None
        for i in (0, 1, 12, 24):
            found = store.at(times[i] + 0.5)
            assert found is not None
            assert scene_of(found.whole, found.changes) == seen[i][0]
            assert decision_of(found.decided) == decided_of(seen[i][1])
        assert PassStore(database).size == store.size > 0
        asyncio.run(keep())  # a second chain
        before = store.size
        asyncio.run(store.trim(before=0.0, most_bytes=before - 1))
        assert 0 < store.size < before
        assert store.at(times[-1]) is not None
    finally:
        database.close()


def test_a_pass_that_decides_nothing_is_seldom_on_record_and_none_is_where_it_is_off() -> None:
    nothing = Plan(starts=(), reasons={})
    recorder = Recorder(None, WallClock(), days=lambda: 1.0, mib=lambda: 1)  # type: ignore[arg-type]
    scene = Scene(snapshot=a_snapshot(), reserved={})

    assert recorder.wants(nothing)
    recorder.saw(scene, nothing)
    assert not recorder.wants(nothing)
    assert recorder.wants(replace(nothing, expired=(1,)))
    assert not Recorder(None, WallClock(), days=lambda: 0.0, mib=lambda: 1).wants(replace(nothing, expired=(1,)))  # type: ignore[arg-type]
    for _ in range(200):
        recorder.saw(scene, nothing)
    assert recorder.left_out > 0


def test_what_accounts_are_owed_outlasts_a_restart_and_damage_begins_anew(tmp_path: Path) -> None:
    database = Database(tmp_path / "flight.db", "flight")
    state = TierState(at=5.0, owed={"a:x": Owed(unit_s=1.5, rate=-2.0)}, guarded=frozenset({7}), ideal_unit_s=3.0)
    try:
        recorder = Recorder(PassStore(database), WallClock(), days=lambda: 0.0, mib=lambda: 0)
        recorder.wants(Plan(starts=(), reasons={}, tiers=state))
        asyncio.run(recorder.keep_ledger())

        assert Recorder(PassStore(database), WallClock(), days=lambda: 0.0, mib=lambda: 0).tiers() == state
        asyncio.run(PassStore(database).keep("ledger", b"damaged"))
        assert recorder.tiers() == NO_STATE
    finally:
        database.close()
