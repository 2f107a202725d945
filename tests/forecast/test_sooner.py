"""What would let a job start sooner, and what a change would do to those who wait."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuq.errors import UsageError
from gpuq.models import Way
from gpuq.sharing import Moved
from gpuq_daemon.forecast.packing import Run
from gpuq_daemon.forecast.replay import Course
from gpuq_daemon.forecast.sooner import sooner
from gpuq_daemon.forecast.what_if import Event, decided, moved, parse
from gpuq_daemon.policy.accounts import Account, Association, Tree
from gpuq_daemon.policy.engine import Engine
from gpuq_daemon.policy.fairtree import fair_tree
from gpuq_daemon.policy.gang import Gang
from gpuq_daemon.policy.limits import Limit, Limits
from gpuq_daemon.policy.rules import Qos, Rules
from gpuq_daemon.policy.snapshot import PendingJob, Snapshot
from tests.policy.build import a_job, a_node, a_snapshot, nodes, running

H = 3600.0
QUICK = Course(coarse=0.1, least_step_s=30.0)


def true_limits(user: str = "ann") -> list[Run]:
    return [Run(job=a_job(900 + i, user=user, time_limit_s=1000), ran_s=1000.0) for i in range(8)]


def ways(snapshot: Snapshot, job_id: int, runs: list[Run] | None = None) -> dict[str, Way]:
    found = sooner(snapshot, job_id, true_limits() if runs is None else runs, 1, course=QUICK)
    return {way.words: way for way in found}


def test_fewer_gpus_and_another_model_are_named_where_they_start_now() -> None:
    there = (a_node("a1", 8, gpu_type="a100"), a_node("v1", 8, gpu_type="v100"))
    held = running(1, {"a1": 6}, user="ann", started_at=1000.0, until=1000.0 + 4 * H)
    job = a_job(2, workers=4, gpu_type="a100", time_limit_s=7200)

    found = ways(a_snapshot([job], on=there, active=[held]), 2)

    assert next(iter(found)) == ""
    assert not found[""].is_now
    assert found["--workers 2"].is_now
    assert found["--gpu-type v100"].is_now
    assert found["--gpu-type v100"].end_at == 1000.0 + 7200
    assert "--workers 1" in found
    assert found[""].start_at == pytest.approx(1000.0 + 4 * H, rel=0.1)


def test_a_shorter_limit_lets_a_job_slip_in_before_a_promised_one() -> None:
    held = running(1, {"n1": 4}, user="ann", started_at=1000.0, until=1000.0 + 2 * H)
    large = a_job(2, gpus_per_worker=8, time_limit_s=7200)
    small = a_job(3, gpus_per_worker=4, time_limit_s=4 * 3600)

    found = ways(a_snapshot([large, small], on=nodes(1), active=[held]), 3)

    assert found["--time 02:00:00"].is_now
    assert not found[""].is_now


def test_how_long_it_runs_on_another_model_is_what_earlier_jobs_of_the_name_took_there() -> None:
    there = (a_node("a1", 1, gpu_type="a100"), a_node("v1", 1, gpu_type="v100"))
    held = running(1, {"a1": 1}, user="bob", started_at=1000.0, until=2800.0)
    job = a_job(2, gpu_type="a100", time_limit_s=7200, name="train")
    runs = [
        Run(job=a_job(900 + i, name="train", gpu_type=model, time_limit_s=7200), ran_s=ran_s)
        for i, (model, ran_s) in enumerate([("a100", 600.0), ("v100", 6000.0)] * 4)
    ]

    found = ways(a_snapshot([job], on=there, active=[held]), 2, [*runs, *true_limits("bob")])

    assert found["--gpu-type v100"].is_now
    assert found["--gpu-type v100"].end_at == 1000.0 + 6000.0
    assert found[""].end_at is not None
    assert found[""].end_at < 3600.0  # waiting for the fast one ends sooner, and is to be seen


def test_only_a_qos_that_the_account_may_have_is_named() -> None:
    rules = Rules(qos={"normal": Qos(), "high": Qos(priority=10), "theirs": Qos(priority=99, accounts=("other",))})
    held = running(1, {"n1": 8}, user="ann", started_at=1000.0, until=1000.0 + H)
    queue = [a_job(i, gpus_per_worker=8, time_limit_s=7200) for i in range(2, 5)]

    found = ways(a_snapshot(queue, on=nodes(1), active=[held], rules=rules), 4)

    assert "--qos high" in found
    assert "--qos theirs" not in found


@settings(max_examples=12)
@given(st.data())
def test_each_way_that_starts_now_does_so_under_the_policy(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 6)), min_size=1, max_size=6))
    pending = [a_job(i, workers=w, time_limit_s=600 * t) for i, (w, t) in enumerate(sizes, 10)]
    held = running(1, {"n1": data.draw(st.integers(0, 4))}, user="ann", started_at=1000.0, until=1000.0 + H)
    snapshot = a_snapshot(pending, on=nodes(1, 4), active=[held])
    job = pending[-1]

    for way in sooner(snapshot, job.job_id, true_limits(), 1, course=QUICK)[1:]:
        option, value = way.words.split()
        changed = _with(job, option, value)
        there = replace(snapshot, pending=(*pending[:-1], changed))
        starts = {start.job_id for start in Engine(there).plan(there.now).starts}
        assert (job.job_id in starts) is way.is_now


def _with(job: PendingJob, option: str, value: str) -> PendingJob:
    if option == "--workers":
        return replace(job, gang=Gang(workers=int(value)))
    hours, minutes, seconds = (int(part) for part in value.split(":"))
    return replace(job, time_limit_s=hours * 3600 + minutes * 60 + seconds)


# --- what if


def moved_by(snapshot: Snapshot, line: str) -> tuple[Moved, ...]:
    return moved(snapshot, parse(line, snapshot), true_limits(), 1)


def a_full_cluster() -> Snapshot:
    """Return two nodes that are full for an hour, and four jobs of an hour that want one each."""
    active = [
        running(i, {f"n{i}": 8}, user="ann", started_at=1000.0, until=1000.0 + H, is_exclusive=False) for i in (1, 2)
    ]
    return a_snapshot(
        [a_job(i, gpus_per_worker=8, time_limit_s=3600) for i in (3, 4, 5, 6)], on=nodes(2), active=active
    )


def test_a_drain_moves_who_would_have_run_there() -> None:
    found = {one.job_id: one for one in moved_by(a_full_cluster(), "drain n2")}

    assert set(found) == {4, 5, 6}
    assert all(one.after_at is not None and one.before_at is not None for one in found.values())
    assert found[4].after_at == pytest.approx(1000 + 2 * H, rel=0.05)
    assert found[6].after_at == pytest.approx(1000 + 4 * H, rel=0.05)


def test_a_drain_later_on_leaves_those_alone_who_start_before() -> None:
    found = {one.job_id for one in moved_by(a_full_cluster(), "drain n2 at now+90minutes")}

    assert found == {6} or found == {5, 6}


def test_more_gpus_let_everybody_start_sooner() -> None:
    found = {one.job_id: one for one in moved_by(a_full_cluster(), "add 16")}

    assert found[3].after_at == 1000.0
    assert all((one.after_at or 0) < (one.before_at or 0) for one in found.values())


def test_shares_move_who_is_next() -> None:
    tree = Tree(
        accounts=(Account(name="root", parent=None), Account(name="a"), Account(name="b")),
        associations=(Association(user="ann", account="a"), Association(user="bob", account="b")),
    )
    used = {("a", "ann"): 2000.0, ("b", "bob"): 1000.0}
    snapshot = replace(
        a_full_cluster(),
        pending=(
            a_job(3, user="ann", account="a", gpus_per_worker=8, workers=2, time_limit_s=3600),
            a_job(4, user="bob", account="b", gpus_per_worker=8, workers=2, time_limit_s=3600),
        ),
        rules=Rules(tree=tree),
        shares=fair_tree(tree, used, at=1000.0),
    )

    found = {one.job_id: one for one in moved_by(snapshot, "share a=1000000")}

    assert set(found) == {3, 4}
    assert (found[3].after_at or 0) < (found[3].before_at or 0)


def test_what_operators_would_decide_moves_whom_it_limits() -> None:
    there = a_full_cluster()
    limits = Limits(users={"ann": Limit(running_gpus=8)})
    world = replace(there, pending=(), active=(), rules=replace(there.rules, limits=limits))

    change = Event(at=there.now, change=decided(world))
    found = {one.job_id: one for one in moved(there, change, true_limits(), 1)}

    assert set(found) == {4, 5, 6}  # two at once become one after the other
    assert all((one.after_at or 0) > (one.before_at or 0) for one in found.values())


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("drain n9", "There is no node 'n9'"),
        ("share none=4", "There is no account 'none'"),
        ("share root=-1", "share"),
        ("add 0", "no change that can be tried"),
        ("add 8 to nowhere", "There is no partition 'nowhere'"),
        ("drain n1 at yesterday-ish", "yesterday-ish"),
        ("rm -rf /\x1b[2J", "no change that can be tried"),
        ("", "no change that can be tried"),
    ],
)
def test_a_line_that_means_nothing_is_refused(line: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(line, a_full_cluster())

    assert says in str(caught.value)
    assert "\x1b" not in str(caught.value)
