from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuq.models import JobSpec
from gpuq_daemon.policy.admission import queue_refusal, refusal, rules_refusal
from gpuq_daemon.policy.billing import Billing
from gpuq_daemon.policy.gang import Gang
from gpuq_daemon.policy.limits import Limit, Limits, Owner
from gpuq_daemon.policy.reservation import Reservation
from gpuq_daemon.policy.room import Room
from gpuq_daemon.policy.rules import Qos, Rules
from gpuq_daemon.policy.snapshot import NodeView
from gpuq_daemon.policy.spots import is_possible
from tests.support.values import MAIN_FUN, a_node, a_spec

_NODES = (a_node("a", 4), a_node("b", 2), a_node("z", 8, partition="other"))


def refused(spec: JobSpec, name: str = "train", nodes: tuple[NodeView, ...] = _NODES) -> str | None:
    return refusal(spec, name=name, partition="p", nodes=nodes, gpu_kind="A100", max_script_bytes=8192, now=1000.0)


_NODE = st.tuples(st.integers(1, 8), st.sampled_from(["a100", "v100"]), st.none() | st.integers(1, 16))


@given(
    st.lists(_NODE, min_size=1, max_size=4),
    st.integers(1, 9),
    st.integers(1, 9),
    st.none() | st.sampled_from(["a100", "v100"]),
    st.none() | st.integers(1, 4),
    st.integers(0, 4),
    st.booleans(),
)
def test_what_is_let_in_fits_an_empty_cluster_and_what_fits_is_let_in(
    sizes: list[tuple[int, str, int | None]],
    workers: int,
    gpus: int,
    gpu_type: str | None,
    on: int | None,
    cpus: int,
    exclusive: bool,
) -> None:
    nodes = tuple(
        a_node(f"n{i}", size, gpu_type=model, cpus=has, is_up=i % 2 == 0) for i, (size, model, has) in enumerate(sizes)
    )
    well = [a_node(node.name, node.gpus, gpu_type=node.gpu_type, cpus=node.cpus) for node in nodes]
    gang = Gang(
        workers=workers, gpus_per_worker=gpus, gpu_type=gpu_type, nodes=on, cpus_per_worker=cpus, is_exclusive=exclusive
    )
    fits = is_possible(Room(well, billing=Billing()), "p", gang, None)

    asked = a_spec(
        workers=workers, gpus_per_worker=gpus, gpu_type=gpu_type, nodes=on, cpus_per_worker=cpus, exclusive=exclusive
    )

    assert (refused(asked, nodes=nodes) is None) == fits


@given(st.text(max_size=300))
def test_any_text_is_a_script_or_refused_in_one_sentence(text: str) -> None:
    said = refused(a_spec(script=text))

    assert said is not None
    assert "\n" not in said


@pytest.mark.parametrize(
    "script",
    [
        MAIN_FUN,
        "main_fun = lambda args, ctx: None",
        "from mine import train as main_fun",
        "try:\n    import tensorflow\nexcept ImportError:\n    pass\nelse:\n    pass\n" + MAIN_FUN,
        "if True:\n    def main_fun(args, ctx): pass",
    ],
)
def test_main_fun_may_be_defined_in_any_usual_way(script: str) -> None:
    assert refused(a_spec(script=script)) is None


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (a_spec(workers=7), "asks for 7 GPUs, the cluster has 6 A100s"),
        (a_spec(gpus_per_worker=5), "the largest node of partition p has 4"),
        (a_spec(workers=2, gpus_per_worker=3), "hold 1 such workers"),
        (a_spec(workers=5000), "at most 4096 workers"),
        (a_spec(time_limit_s=10**9), "366 days"),
        (a_spec(args=("\0",)), "zero byte"),
        (a_spec(args=("\ud800",)), "valid Unicode"),
        (a_spec(script="def main_fun(:"), "syntax error in line 1"),
        (a_spec(script="(" * 5000), "syntax error"),
        (a_spec(script="\ud800"), "UTF-8"),
        (a_spec(script="x = 1"), "no `main_fun`"),
        (a_spec(script=f"{MAIN_FUN}#{'x' * 9000}"), "at most"),
        (a_spec(script_name="a/b.py"), "plain file name"),
        (a_spec(script_name=""), "plain file name"),
        (a_spec(gpu_type="h100"), "no GPU model 'h100' in partition p; there is none by name"),
        (a_spec(nodes=2), "lies on 1 node"),
        (a_spec(workers=5, nodes=1), "even empty: it asks for 5 x 1 GPUs, exactly 1 node"),
        (a_spec(layout="heap"), "use pack or spread"),
        (a_spec(cpus_per_worker=-1), "CPUs"),
        (a_spec(memory_mib_per_worker=1 << 40), "MiB"),
        (a_spec(ps=-1), "0 to 4096 parameter servers; this one asks for -1"),
        (a_spec(ps=5000), "0 to 4096 parameter servers"),
        (a_spec(ps=1, cpus_per_ps=0), "may ask for 1 to"),
        (a_spec(epochs=-1), "may be fed 1 to"),
        (a_spec(epochs=1, evaluator=True), "no evaluator where rows are fed"),
        (a_spec(independent=True, ps=1), "Independent workers have no parameter servers"),
        (a_spec(independent=True, epochs=1), "Independent workers have no parameter servers"),
        (a_spec(driver=True, epochs=1), "leave --epochs out, or --driver"),
        (a_spec(ps=1, memory_mib_per_ps=-1), "may ask for 0 to"),
        (a_spec(nice=2**31), "nice value"),
        (a_spec(retries=101), "0 to 100 times"),
        (a_spec(signal_s=60, time_limit_s=60), "it is 60 s"),
        (a_spec(begin_at=1e300), "within ten years"),
        (a_spec(deadline=999.0), "in the past"),
        (a_spec(deadline=1100.0, time_limit_s=101), "100 s after the earliest start, and the job has a time limit of"),
        (a_spec(deadline=1100.0, begin_at=1200.0), "cannot meet its deadline"),
        (a_spec(array="0-10000000"), "has 10000001 tasks"),
        (a_spec(dependency="afterok"), "needs a job"),
        (a_spec(qos="\x1b[2J"), "cannot be a name"),
    ],
)
def test_what_can_never_run_is_refused_with_the_number_against_it(spec: JobSpec, says: str) -> None:
    said = refused(spec)

    assert said is not None
    assert says in said


def _rules_refused(spec: JobSpec) -> str | None:
    owner = Owner("ann", "bio", spec.qos or "normal")
    kept = Reservation(name="night", nodes=frozenset({"a"}), start_at=900.0, end_at=2000.0, users=frozenset({"bob"}))
    limits = Limits(
        users={"ann": Limit(running_gpus=4, longest_s=3600)},
        parents={"bio": "science", "science": "root", "root": None},
    )
    qos = {"fast": Qos(), "ours": Qos(accounts=("science",)), "theirs": Qos(accounts=("nlp",))}
    rules = Rules(qos=qos, limits=limits)
    more = Reservation(name="day", nodes=frozenset({"b"}), start_at=900.0, end_at=2000.0, users=frozenset({"ann"}))
    far = replace(more, name="far", nodes=frozenset({"z"}))
    there = [a_node("a", 2), a_node("b", 2)]
    return rules_refusal(spec, owner, rules=rules, reservations=(kept, more, far), nodes=there, now=1000.0)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (a_spec(qos="gold", time_limit_s=60), "There is no QOS 'gold': use one of fast, normal, ours."),
        (
            a_spec(qos="theirs", time_limit_s=60),
            "Account bio may not use the QOS theirs: use one of fast, normal, ours.",
        ),
        (a_spec(workers=5, time_limit_s=60), "at most 4 running GPUs; this job asks for 5 (AssocGrpGRES)"),
        (a_spec(), "has no time limit"),
        (a_spec(reservation="noon", time_limit_s=60), "no reservation 'noon'"),
        (
            a_spec(reservation="day", time_limit_s=60, workers=3),
            "cannot hold the job in its partition: it keeps b there",
        ),
        (a_spec(reservation="far", time_limit_s=60), "cannot hold the job in its partition: it keeps no node there"),
        (a_spec(reservation="night", time_limit_s=60), "not for user ann in account bio"),
    ],
)
def test_what_a_rule_forbids_for_ever_is_refused_with_the_rule(spec: JobSpec, says: str) -> None:
    assert says in (_rules_refused(spec) or "")


def test_a_known_qos_within_all_limits_is_let_in() -> None:
    assert _rules_refused(a_spec(qos="fast", workers=4, time_limit_s=3600)) is None


def test_a_qos_of_an_account_is_for_those_below_it_too() -> None:
    assert _rules_refused(a_spec(qos="ours", time_limit_s=60)) is None


@pytest.mark.parametrize(("adding", "is_refused"), [(1, False), (2, True)])
def test_queued_jobs_of_all_below_an_account_count_in_it(adding: int, is_refused: bool) -> None:
    limits = Limits(accounts={"lab": Limit(queued_jobs=5)}, parents={"bio": "lab", "lab": "root", "root": None})
    queued = [(Owner("ann", "bio", "normal"), 3), (Owner("bob", "lab", "fast"), 1), (Owner("eve", "root", "fast"), 9)]

    said = queue_refusal(Owner("ann", "bio", "normal"), queued, limits, adding=adding)

    assert (said is not None) == is_refused
    assert said is None or "4 are there and 2 more" in said
