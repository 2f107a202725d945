"""Priorities with their terms, limits as refusals, and the sentence for every reason."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuq_daemon.policy.accounts import Account, Association, Tree
from gpuq_daemon.policy.capacity import never_fits
from gpuq_daemon.policy.dependency import Dependency, Fate, Kind, parse
from gpuq_daemon.policy.fairtree import fair_tree
from gpuq_daemon.policy.gang import Gang
from gpuq_daemon.policy.limits import Limit, Limits, Owner, count_queued, never, queue_full
from gpuq_daemon.policy.plan import plan
from gpuq_daemon.policy.priority import Ranking
from gpuq_daemon.policy.reasons import explain, priority_sentence
from gpuq_daemon.policy.reservation import Reservation
from gpuq_daemon.policy.rules import Qos, Rules
from gpuq_daemon.policy.snapshot import Hold, PendingJob, Snapshot
from tests.policy.build import a_job, a_node, a_snapshot, nodes, running
from tests.policy.test_engine import jobs, shares, worlds
from tests.policy.test_plan import busy

TREE = Tree(
    accounts=(Account(name="root", parent=None), Account(name="vis", shares=1), Account(name="nlp", shares=3)),
    associations=(Association(user="ann", account="vis"), Association(user="bob", account="nlp")),
)
ONE = Limit(running_jobs=1)


def test_every_term_of_a_priority_is_told():
    rules = Rules(qos={"high": Qos(priority=10), "normal": Qos(priority=5)}, partitions={"main": 1, "side": 2})
    used = fair_tree(TREE, {("vis", "ann"): 1.0}, at=7 * 86400.0 / 2)
    job = a_job(1, account="vis", submitted_at=0.0, gpus_per_worker=4, qos="normal", nice=7)
    ranking = Ranking(rules, used, nodes(2))

    terms = {term.name: term.points for term in ranking.terms(job)}

    assert terms == {"age": 500, "fair share": 50_000, "job size": 250, "partition": 500, "QOS": 5_000, "nice": -7}
    assert priority_sentence(ranking.terms(job)) == (
        "56243 = age 500 + fair share 50000 + job size 250 + partition 500 + QOS 5000 + nice -7"
    )


@given(worlds(), shares(), jobs(1))
def test_the_terms_add_up_to_what_orders_the_queue(world: Snapshot, taken: Any, job: PendingJob):
    ranking = Ranking(replace(world.rules, guard_after_s=None), taken, world.nodes)

    assert ranking.key(job)[1] == -sum(term.points for term in ranking.terms(job))


def text(job: PendingJob, *, on: Any = None, active: Any = (), more: Any = (), **world: Any) -> str:
    """Return the sentence for a job on one node of 8 GPUs."""
    return explain(a_snapshot([job, *more], on=nodes(1) if on is None else on, active=active, **world), job.job_id).text


def test_the_sentences():
    full = [running(7, {"n1": 8}, until=4600.0)]
    large = a_job(2, workers=2, gpus_per_worker=4)
    drained = [a_node("n1", drained="fan")]
    window = Reservation(name="demo", nodes=frozenset({"n1"}), start_at=9000, end_at=9999, accounts=frozenset({"root"}))

    assert re.fullmatch(
        r"needs 8 GPUs \(2 x 4\), 0 of 8 free: job 7 \(bob\) holds 8 until \S+ \S+ at the latest; starts by \S+ \S+\.",
        text(large, active=full),
    )
    assert text(a_job(3, nice=5), active=full, more=[replace(large, time_limit_s=3600)], rules=Rules(promises=1)) == (
        "1 job is ahead, wanting 8 GPUs, at most 8.0 GPU-hours; 0 of 8 free."
    )
    assert text(a_job(1)) == "starts in the next pass."
    assert text(a_job(1, hold=Hold.USER)) == "held by its user: release it with `gpuq release`."
    assert text(a_job(1, dependencies=parse("afterok:5:6")), fates={5: Fate.OK}) == "waits for job 6 (afterok)."
    assert text(a_job(1, dependencies=parse("afterok:5")), fates={5: Fate.FAILED}) == (
        "depends on job 5 (afterok), which did not complete: it will never start."
    )
    assert text(a_job(1, dependencies=(Dependency(kind=Kind.AFTER_ANY, targets=(5, -6, -9)),))) == (
        "waits for job 5 and arrays 6, 9 (afterany)."
    )
    assert text(a_job(1, name="x", dependencies=parse("singleton")), active=[running(0, {}, user="ann", name="x")]) == (
        "waits until every earlier job of ann with the name x has ended."
    )
    assert text(a_job(1), on=drained) == (
        "needs 1 GPU; the nodes that are in use now could not hold it even if they were free: n1 is drained (fan)."
    )
    assert text(a_job(1), down={"main": "Spark is down"}) == "its partition starts nothing now: Spark is down."
    assert text(a_job(1), placing={"main": 7}) == (
        "needs 1 GPU, 8 of 8 free; nothing starts here until Spark has placed job 7."
    )
    assert text(a_job(1, reservation="demo"), reservations=(window,)).startswith(
        "waits for the reservation demo, which"
    )
    assert text(
        a_job(1, gpus_per_worker=2),
        active=[running(7, {"n1": 1}, user="ann")],
        rules=Rules(limits=Limits(users={"ann": Limit(running_gpus=2)})),
    ) == "user ann may have 2 running GPUs: 1 taken, this job needs 2."  # fmt: skip
    assert text(a_job(1), active=[running(7, {}, user="ann")], rules=Rules(limits=Limits(users={"ann": ONE}))) == (
        "user ann may have 1 running job: 1 taken, this job needs 1."
    )
    assert text(a_job(1, gpu_type="a100|v100"), on=[a_node(gpu_type="a100", drained="fan"), a_node("n2", 8)]) == (
        "needs 1 GPU (model a100 or v100); the nodes that are in use now could not hold it even if they were free: "
        "n1 is drained (fan)."
    )


def test_why_tells_how_the_account_stands():
    used = fair_tree(TREE, {("vis", "ann"): 3.0, ("nlp", "bob"): 1.0})

    why = explain(a_snapshot([a_job(1, account="vis", gpus_per_worker=9)], on=nodes(1), shares=used), 1)

    assert why.share_text == (
        "vis used 75% of its level, 25% are due; ann used 100% of its level, 100% are due; rank 2 of 2"
    )


@settings(deadline=None, max_examples=60)
@given(busy())
def test_every_job_is_explained_as_the_plan_says(snapshot: Snapshot):
    decided = plan(snapshot)

    for job in snapshot.pending:
        why = explain(snapshot, job.job_id)
        assert why.reason == decided.reasons.get(job.job_id)
        assert why.text.endswith((".", "no answer"))
        assert why.text.isprintable()


@given(st.data())
def test_the_limit_that_can_never_be_met_is_named(data: st.DataObject):
    job = data.draw(jobs(1))
    limit = Limit(running_gpus=4, gpu_hours=0.5, longest_s=200)
    limits = Limits(users={"ann": limit}, accounts={"a": limit}, qos_users={"high": limit})

    refused = never(job.owner, job.gpus, job.time_limit_s, limits)

    counts_in = job.user == "ann" or job.account == "a" or job.qos == "high"
    length = job.time_limit_s
    too_much = job.gpus > 4 or length is None or length > 200 or job.gpus * length > 1800
    assert (refused is not None) == (counts_in and too_much)


def test_refusals_name_the_limit():
    limits = Limits(
        accounts={"top": Limit(running_gpus=4, queued_jobs=1)},
        qos={"short": Limit(longest_s=60)},
        parents={"sub": "top", "top": "root", "root": None},
    )
    owner = Owner("ann", "sub", "short")

    assert never(owner, 5, 60, limits) == (
        "Account top may have at most 4 running GPUs; this job asks for 5 (AssocGrpGRES)."
    )
    assert never(owner, 4, None, limits) == (
        "QOS short may have jobs of at most 60 s; this job has no time limit (QOSMaxWallDurationPerJobLimit)."
    )
    assert queue_full(owner, count_queued([owner], limits), limits) == (
        "Account top may queue 1 job, 1 is there and 1 more would be added (AssocGrpSubmitJobsLimit)."
    )
    assert queue_full(owner, {}, limits) is None


@pytest.mark.parametrize(
    ("gang", "words"),
    [
        (Gang(gpus_per_worker=9), "A worker asks for 9 GPUs, the largest node of partition main has 8"),
        (Gang(workers=5, gpus_per_worker=4), "asks for 20 GPUs, the cluster has 16 a100s in partition main."),
        (Gang(workers=3, gpus_per_worker=5), "hold 2 such workers"),
        (Gang(gpu_type="h100"), "There is no GPU model 'h100' in partition main; there is a100, v100."),
        (Gang(workers=1, nodes=2), "can hold the job, even empty: it asks for 1 x 1 GPUs, exactly 2 nodes."),
        (Gang(workers=3, nodes=3), "can hold the job, even empty: it asks for 3 x 1 GPUs, exactly 3 nodes."),
        (Gang(cpus_per_worker=99), "even empty: it asks for 1 x 1 GPUs, 99 CPUs a worker."),
        (Gang(ps=99), "even empty: it asks for 1 x 1 GPUs, 99 parameter servers."),
        (Gang(ps=1, evaluator=True, cpus_per_ps=17), "1 parameter server, an evaluator."),
    ],
)
def test_what_never_fits_is_refused_with_the_number_that_stands_against_it(gang: Gang, words: str):
    on = [a_node(f"n{i}", 8, gpu_type="a100", cpus=16) for i in (1, 2)] + [a_node("n3", 2, gpu_type="v100", cpus=16)]

    assert words in (never_fits(gang, "main", on, "GPU") or "")


def test_a_reason_names_what_of_the_job_has_no_gpu():
    waiting = a_job(2, workers=2, ps=2, evaluator=True)
    snapshot = a_snapshot([waiting], on=nodes(1, 2), active=[running(1, {"n1": 2})])

    why = explain(snapshot, 2, gpu_kind="GPU")

    assert why.text.startswith("needs 2 GPUs (2 x 1) and 2 parameter servers and an evaluator, 0 of 2 free: job 1")


def test_a_drained_node_is_no_reason_to_refuse():
    assert never_fits(Gang(workers=8), "main", [a_node(drained="fan")], "GPU") is None
