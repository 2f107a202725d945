"""When pending jobs start: queues played forward."""

from __future__ import annotations

import random
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuq_daemon.forecast.arrivals import arrivals
from gpuq_daemon.forecast.estimate import Estimate, coming, estimates, lengths_of
from gpuq_daemon.forecast.lengths import Lengths
from gpuq_daemon.forecast.packing import Run, Scene, packed, plain
from gpuq_daemon.forecast.questions import Ahead, Estimates
from gpuq_daemon.forecast.replay import Replay
from gpuq_daemon.policy.engine import Engine
from gpuq_daemon.policy.gang import Gang
from gpuq_daemon.policy.reservation import Reservation
from gpuq_daemon.policy.rules import Rules
from gpuq_daemon.policy.snapshot import NO_PAST, Hold, Past, PendingJob, Snapshot
from gpuq_daemon.policy.tiers.engine import TieredEngine
from gpuq_daemon.policy.tiers.settings import Tiers
from tests.policy.build import a_job, a_snapshot, begun, nodes, running

H = 3600.0


def ran(job: PendingJob, seconds: float) -> Run:
    return Run(job=job, ran_s=seconds)


def whole(user: str = "ann", part: float = 1.0, count: int = 8) -> list[Run]:
    """Return runs that took a part of their limit, long ago."""
    return [ran(a_job(900 + i, user=user, time_limit_s=1000), 1000 * part) for i in range(count)]


def estimate(snapshot: Snapshot, runs: list[Run], seed: int = 1) -> dict[int, Estimate]:
    return {one.job_id: one for one in estimates(snapshot, runs, random.Random(seed), replays=8)}


def a_queue(**rules: object) -> Snapshot:
    """Return one node that is full for an hour, and three jobs of two hours that want all of it."""
    pending = [a_job(i, gpus_per_worker=8, time_limit_s=7200) for i in (2, 3, 4)]
    active = [running(1, {"n1": 8}, user="ann", started_at=1000.0, until=4600.0)]
    return a_snapshot(pending, on=nodes(1), active=active, rules=Rules(**rules))  # type: ignore[arg-type]


@pytest.mark.parametrize("rules", [{}, {"tiers": Tiers(may_preempt=False)}])
def test_with_true_limits_each_starts_when_those_before_it_have_ended(rules: dict[str, object]) -> None:
    found = estimate(a_queue(**rules), whole())

    for place, job_id in enumerate((2, 3, 4)):
        at = 1000.0 + H + place * 2 * H
        p50, p90 = found[job_id].p50_at, found[job_id].p90_at
        assert p50 is not None
        assert p90 is not None
        assert at <= p50 <= p90 <= at + 0.05 * (at - 1000.0) + 20


def test_who_always_ends_after_a_third_of_the_limit_is_expected_to() -> None:
    found = estimate(a_queue(), whole(part=1 / 3))

    p50 = found[4].p50_at
    assert p50 is not None
    assert p50 == pytest.approx(1000.0 + (H + 4 * H) / 3, rel=0.05)


def test_of_a_job_that_runs_longer_than_all_before_it_something_is_left() -> None:
    lengths, rng = Lengths(whole(part=0.1)), random.Random(1)
    job = running(1, {"n1": 8}, user="ann", started_at=0.0, until=1000.0)

    left = [lengths.left(job, 500.0, rng) for _ in range(50)]

    assert all(1 <= one <= 500 for one in left)
    assert max(left) > 300


def test_a_held_job_and_one_that_cannot_start_are_promised_nothing() -> None:
    snapshot = a_queue()
    held = replace(snapshot.pending[0], hold=Hold.USER)
    huge = a_job(9, gpus_per_worker=8, workers=2)

    found = estimate(replace(snapshot, pending=(held, huge)), whole())

    assert found == {9: Estimate(job_id=9, p50_at=None, p90_at=None, past_runs=8)}


def test_others_who_come_as_they_came_before_push_a_start_back() -> None:
    """An account that comes every ten minutes and always goes first."""
    tiers = Tiers(may_preempt=False)
    now = 10 * 86_400.0
    job = a_job(5, user="bob", gpus_per_worker=8, time_limit_s=3600, submitted_at=now - 10)
    job = replace(job, past=replace(job.past, attained_gpu_s=1e6, ran_s=1.0, stopped_at=now - 5))
    snapshot = a_snapshot([job], on=nodes(1), now=now, rules=Rules(tiers=tiers))
    busy = replace(snapshot, active=(running(1, {"n1": 8}, user="ann", started_at=now, until=now + 900),))
    came = [
        ran(a_job(100 + i, user="ann", gpus_per_worker=8, time_limit_s=900, submitted_at=now - i * 600.0 - 1), 900.0)
        for i in range(300)
    ]

    alone = estimate(busy, whole())[5].p50_at
    among = estimate(busy, sorted(came, key=lambda run: run.job.submitted_at))[5].p50_at

    assert alone is not None
    assert alone <= now + 950
    assert among is None or among > now + 2000


def test_arrivals_are_those_of_days_before_in_order_and_new() -> None:
    now = 10 * 86_400.0
    came = [ran(a_job(i, submitted_at=now - 3 * 86_400.0 + i * 3000.0), 60.0) for i in range(1, 86)]
    there = arrivals(came, now, 1000, random.Random(3))

    found = [next(there) for _ in range(60)]

    at = [run.job.submitted_at for run in found]
    assert at == sorted(at)
    assert at[0] >= now
    assert [run.job.job_id for run in found] == list(range(1000, 1060))
    assert 1.5 * 86_400 < at[-1] - now < 2.6 * 86_400  # 28.8 a day


def test_who_runs_or_was_stopped_comes_again_as_new_and_for_as_long_as_in_all() -> None:
    now = 10 * 86_400.0
    past = Past(ran_s=4 * H, attained_gpu_s=4 * H, preempted=1, stopped_at=now - H)
    waits = [a_job(i, submitted_at=now - i * 1800.0, time_limit_s=7 * 3600, past=past) for i in range(1, 9)]
    runs = running(9, {"n1": 1}, user="bob", started_at=now - H, until=now + H, submitted_at=now - 5 * H, gang=Gang())
    snapshot = a_snapshot(waits, on=nodes(1), active=[runs, replace(runs, job_id=10)], now=now)
    lengths = Lengths(whole("ann") + whole("bob"))

    found = [run for run, _ in zip(coming(snapshot, (), lengths, random.Random(1)), range(200), strict=False)]

    assert {run.job.past for run in found} == {NO_PAST}
    longest = {user: max(run.ran_s for run in found if run.job.user == user) for user in ("ann", "bob")}
    assert longest == {"ann": 7 * H, "bob": 2 * H}


@given(st.integers(0, 10_000), st.booleans())
def test_a_snapshot_is_the_same_after_it_was_bytes(seed: int, is_tiered: bool) -> None:
    rng = random.Random(seed)
    pending = [
        a_job(i, user=rng.choice("ab"), workers=rng.choice((1, 2, 4)), time_limit_s=rng.choice((None, 600)))
        for i in range(1, 30)
    ]
    rules = Rules(tiers=Tiers()) if is_tiered else Rules()
    engine = (TieredEngine if is_tiered else Engine)(a_snapshot(pending, on=nodes(3), rules=rules))
    for start in engine.plan(1000.0).starts:
        engine.begin(begun(engine.pending(start.job_id), start, 1000.0))
    engine.plan(1500.0)
    there = plain(engine.snapshot(2000.0))
    asked = Estimates(Ahead(Scene(snapshot=there, reserved={}), runs=(), seed=1, half_life_s=1.0, budget_s=1.0))

    back = msgspec.msgpack.decode(packed(asked), type=Estimates)

    assert back.ahead.scene.snapshot == there
    fresh = (TieredEngine if is_tiered else Engine)(back.ahead.scene.snapshot)
    assert fresh.plan(2000.0).starts == engine.plan(2000.0).starts


def test_who_has_not_started_when_a_replay_is_broken_off_starts_later_than_can_be_told() -> None:
    looks = iter(range(10**6))
    pending = [a_job(i, gpus_per_worker=8, time_limit_s=7200) for i in range(2, 22)]
    snapshot = replace(a_queue(), pending=tuple(pending))

    found = estimates(snapshot, whole(), random.Random(1), replays=1, each=lambda: lambda: next(looks) > 0)

    is_untold = [one.p50_at is None for one in found]
    assert is_untold == sorted(is_untold)
    assert set(is_untold) == {False, True}


@pytest.mark.parametrize("rules", [{}, {"tiers": Tiers()}])
def test_where_nothing_happens_meanwhile_a_job_starts_at_its_own_time_and_at_a_reservation_s_end(
    rules: dict[str, object],
) -> None:
    window = Reservation(name="window", nodes=frozenset({"n1"}), start_at=0.0, end_at=1000.0 + 9 * H)
    pending = [
        a_job(2, gpus_per_worker=8, time_limit_s=60, begin_at=1000.0 + 5 * H, gpu_type="v100"),
        a_job(3, gpus_per_worker=8, time_limit_s=60, begin_at=1000.0 + 7 * H, gpu_type="a100"),
    ]
    some = (*nodes(1, gpu_type="v100"), *(replace(node, name="n2") for node in nodes(1, gpu_type="a100")))
    there = a_snapshot(pending, on=some, rules=Rules(**rules), reservations=(window,))  # type: ignore[arg-type]

    found = estimate(there, whole())

    for job_id, at in ((2, 1000.0 + 9 * H), (3, 1000.0 + 7 * H)):
        assert found[job_id].p50_at == pytest.approx(at, abs=61.0 if not rules else 0.03 * at)


def test_a_queue_is_looked_at_only_as_something_happens() -> None:
    looks: list[int] = []
    replay = Replay(a_queue(), lengths_of(whole()), iter(()), random.Random(1))

    replay.run(until=lambda: looks.append(1) is not None)

    assert set(replay.starts) == {2, 3, 4}
    assert len(looks) <= 1 + 2 * 3  # at first, and as a job starts and once more


def test_short_jobs_that_come_all_the_time_do_not_fill_a_cluster_that_they_hardly_use() -> None:
    """Jobs of 20 minutes, one every hour, on a node that is needed whole in four days from now."""
    now = 10 * 86_400.0
    came = [
        ran(a_job(100 + i, user="ann", gpus_per_worker=4, time_limit_s=1200, submitted_at=now - i * H - 1), 1200.0)
        for i in range(100)
    ]
    held = running(1, {"n1": 4}, user="bob", started_at=now, until=now + 96 * H)
    job = a_job(5, user="bob", gpus_per_worker=8, time_limit_s=3600, submitted_at=now - 10)
    rules = Rules(tiers=Tiers(may_preempt=False))
    snapshot = a_snapshot([job], on=nodes(1), active=[held], now=now, rules=rules)

    found = estimate(snapshot, sorted([*whole("bob"), *came], key=lambda run: run.job.submitted_at))[5]

    assert found.p50_at is not None
    assert found.p50_at <= now + 97 * H
