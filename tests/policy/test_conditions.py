"""Dependencies, arrays, holds, times and reservations: what they say, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuq.errors import UsageError
from gpuq.models import Reason
from gpuq_daemon.policy import array, dependency, reservation
from gpuq_daemon.policy.accounts import Account, Association, Tree, account_of, parse_shares, problem, removal_refusal
from gpuq_daemon.policy.dependency import Dependency, Fate, Kind, array_fate, cycle, for_task
from gpuq_daemon.policy.plan import plan
from gpuq_daemon.policy.reservation import Reservation
from gpuq_daemon.policy.snapshot import Hold
from tests.policy.build import a_job, a_snapshot, nodes, running


def reason(fates: dict[int, Fate] | None = None, **more: Any) -> Reason | None:
    """Return why a job with these fields waits on an empty cluster."""
    return plan(a_snapshot([a_job(9, **more)], on=nodes(1), fates=fates or {})).reasons.get(9)


@pytest.mark.parametrize(
    ("text", "unstarted", "started", "ok", "failed"),
    [
        ("after:1", "Dependency", None, None, None),
        ("afterany:1", "Dependency", "Dependency", None, None),
        ("afterok:1", "Dependency", "Dependency", None, "DependencyNeverSatisfied"),
        ("afternotok:1", "Dependency", "Dependency", "DependencyNeverSatisfied", None),
        ("aftercorr:1", "Dependency", "Dependency", None, "DependencyNeverSatisfied"),
    ],
)
def test_each_kind_waits_for_its_end(text: str, unstarted: str, started: str, ok: str, failed: str):
    wanted = dependency.parse(text)

    assert reason({}, dependencies=wanted) == unstarted
    assert reason({1: Fate.STARTED}, dependencies=wanted) == started
    assert reason({1: Fate.OK}, dependencies=wanted) == ok
    assert reason({1: Fate.FAILED}, dependencies=wanted) == failed


def test_a_singleton_waits_for_earlier_jobs_of_its_user_and_name():
    wanted = dependency.parse("singleton")
    job = a_job(9, user="ann", name="x", dependencies=wanted)
    other = a_snapshot([job], on=nodes(1), active=[running(1, {"n1": 1}, user="bob", name="x")])
    same = a_snapshot([job], on=nodes(1), active=[running(1, {"n1": 1}, user="ann", name="x")])

    assert plan(other).reasons == {}
    assert plan(same).reasons == {9: Reason.DEPENDENCY}


def test_conditions_have_their_reasons():
    assert reason(hold=Hold.USER) is Reason.HELD_BY_USER
    assert reason(hold=Hold.ADMIN) is Reason.HELD_BY_ADMIN
    assert reason(begin_at=1001.0) is Reason.BEGIN_TIME
    assert reason(begin_at=1000.0) is None
    assert reason(deadline=1099.0, time_limit_s=100) is Reason.DEADLINE
    assert reason(deadline=1100.0, time_limit_s=100) is None
    assert reason(reservation="none") is Reason.RESERVATION
    assert reason(partition="none") is Reason.NODES_UNAVAILABLE


def test_a_job_past_its_deadline_is_to_be_cancelled():
    assert plan(a_snapshot([a_job(1, deadline=10.0)], on=nodes(1))).expired == (1,)


def test_aftercorr_waits_for_the_same_task():
    wanted = dependency.parse("aftercorr:5")

    assert for_task(wanted, 3, lambda array_id, index: 100 + index) == (Dependency(kind=Kind.AFTER_OK, targets=(103,)),)
    assert for_task(wanted, 3, lambda array_id, index: None) == (Dependency(kind=Kind.AFTER_OK, targets=(5,)),)


def test_an_array_has_ended_when_all_its_tasks_have():
    assert array_fate([None, None]) is None
    assert array_fate([Fate.OK, None]) is Fate.STARTED
    assert array_fate([Fate.OK, Fate.FAILED]) is Fate.FAILED
    assert array_fate([Fate.OK, Fate.OK]) is Fate.OK


@pytest.mark.parametrize(
    "text", ["", "before:1", "afterok", "afterok:x", "singleton:1", "afterok:0", "afterok:" + "1:" * 2]
)
def test_a_wrong_dependency_is_refused(text: str):
    with pytest.raises(UsageError):
        dependency.parse(text)


@given(st.dictionaries(st.integers(1, 8), st.lists(st.integers(1, 8), max_size=3), max_size=8), st.integers(1, 8))
def test_exactly_the_circles_are_refused(edges: dict[int, list[int]], job_id: int):
    wanted = {
        job: (Dependency(kind=Kind.AFTER_ANY, targets=tuple(targets)),) for job, targets in edges.items() if targets
    }

    way = cycle(job_id, wanted.get(job_id, ()), lambda other: wanted.get(other, ()))

    reached, new = set[int](), set(edges.get(job_id, ()))
    while new:
        reached |= new
        new = {target for one in new for target in edges.get(one, ())} - reached
    assert (way is not None) == (job_id in reached)
    if way is not None:
        assert way[-1] == job_id
        for waiting, target in zip((job_id, *way), way, strict=False):
            assert target in edges[waiting]


def test_a_circle_is_told_in_one_sentence():
    known = {1: dependency.parse("afterok:2"), 2: dependency.parse("afterok:3"), 3: ()}

    def refused(job_id: int | None, text: str) -> str | None:
        return dependency.refusal(
            job_id, dependency.parse(text), known=lambda one: one in known, of=lambda one: known.get(one, ())
        )

    assert refused(3, "afterany:1") == "Job 3 would wait for itself, by way of 1, 2: drop one dependency."
    assert refused(3, "afterany:3") == "Job 3 cannot depend on itself."
    assert refused(None, "afterok:77") == "There is no job 77 to depend on."
    assert refused(3, "singleton") is None


@pytest.mark.parametrize(
    ("text", "indices", "throttle"),
    [
        ("0-3%2", (0, 1, 2, 3), 2),
        ("7", (7,), None),
        ("1,3,5-7", (1, 3, 5, 6, 7), None),
        ("0-9:4", (0, 4, 8), None),
        ("0-2,1-3,2", (0, 1, 2, 3), None),
    ],
)
def test_an_array_is_read(text: str, indices: tuple[int, ...], throttle: int | None):
    assert array.parse(text) == array.Array(indices=indices, throttle=throttle)


def test_an_array_without_end_is_refused_at_once():
    with pytest.raises(UsageError, match="The array has 10000001 tasks; at most 10000 are allowed"):
        array.parse("0-10000000")


@pytest.mark.parametrize("text", ["", "a", "3-1", "0-3%0", "1-", "-1", "0-3:0", "5:2", "0-9%x", "²", "1000001"])
def test_a_wrong_array_is_refused(text: str):
    with pytest.raises(UsageError):
        array.parse(text)


def test_a_reservation_is_checked():
    old = Reservation(name="old", nodes=frozenset({"n1"}), start_at=100, end_at=200)

    def refused(name: str = "new", node: str = "n1", start: float = 10, end: float = 20) -> str | None:
        made = Reservation(name=name, nodes=frozenset({node}), start_at=start, end_at=end)
        return reservation.refusal(made, now=5, nodes=["n1", "n2"], others=[old])

    assert refused() is None
    assert refused(start=1) == "The reservation begins in the past: give a start from now on."
    assert refused(end=10) == "The reservation ends before it begins: give an end after its start."
    assert refused(node="n9") == "There is no node 'n9': `gpuq nodes` lists those there are."
    assert refused(name="old") == "There is a reservation old already: choose another name."
    assert refused(start=150, end=160) is not None
    assert refused(node="n2", start=150, end=160) is None


def test_accounts_are_checked():
    tree = Tree(
        accounts=(Account(name="root", parent=None), Account(name="a"), Account(name="b", parent="a")),
        associations=(Association(user="u", account="a"), Association(user="u", account="b", is_default=True)),
    )

    assert problem(tree) is None
    assert account_of(tree, "u", None) == "b"
    assert account_of(tree, "u", "a") == "a"
    with pytest.raises(UsageError, match="There is no account 'x'"):
        account_of(tree, "u", "x")
    with pytest.raises(UsageError, match="`gpuq admin user add v --account a` puts them there"):
        account_of(tree, "v", "a")
    with pytest.raises(UsageError, match="gpuq admin user add v --account NAME"):
        account_of(tree, "v", None)
    assert account_of(tree, "u", "root") == "b", "a job from before there were accounts goes to the default"
    assert removal_refusal(tree, "b", {"b": 2}) == (
        "Account b has 2 jobs that have not ended: cancel or move them first."
    )
    assert removal_refusal(tree, "a", {}) == "Account a has accounts below it (b): delete or move them first."
    assert removal_refusal(tree, "b", {}) is None


@pytest.mark.parametrize(
    "accounts",
    [
        (Account(name="a"),),
        (Account(name="root", parent=None), Account(name="a", parent="b"), Account(name="b", parent="a")),
        (Account(name="root", parent=None), Account(name="a", parent="none")),
        (Account(name="root", parent=None), Account(name="a", shares=-1)),
        (Account(name="root", parent=None), Account(name="a"), Account(name="a")),
    ],
)
def test_a_tree_that_is_none_is_refused(accounts: tuple[Account, ...]):
    assert problem(Tree(accounts=accounts)) is not None


def test_shares_are_read():
    assert parse_shares("parent") is None
    assert parse_shares("0") == 0
    with pytest.raises(UsageError, match="'-1' cannot be shares"):
        parse_shares("-1")


def test_a_reservation_for_an_account_is_for_those_below_it_too():
    window = Reservation(name="r", nodes=frozenset({"n1"}), start_at=0, end_at=9, accounts=frozenset({"lab"}))
    parents = {"root": None, "lab": "root", "bio": "lab", "cell": "bio", "nlp": "root"}

    assert reservation.with_those_below(window, parents).accounts == {"lab", "bio", "cell"}
    assert reservation.with_those_below(replace(window, accounts=frozenset()), parents).is_maintenance


@pytest.mark.parametrize(
    "text",
    ["singleton," * 1001, "afterok:1:1" * 3000, "," * 5000, "afterok" + ":1" * 1001, "afterok:1," * 1000 + "after:1"],
    ids=["kinds", "words", "commas", "jobs of one kind", "kinds of one job"],
)
def test_dependencies_without_end_are_refused_before_they_are_read(text: str) -> None:
    with pytest.raises(UsageError, match="at most 1000 others"):
        dependency.parse(text)
