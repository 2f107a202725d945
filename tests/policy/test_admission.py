from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuq.models import JobSpec
from gpuq_daemon.policy.admission import refusal
from gpuq_daemon.policy.placement import place
from gpuq_daemon.policy.snapshot import NodeView
from tests.support.values import MAIN_FUN, a_job, a_node, a_spec

_NODES = (a_node("a", 4), a_node("b", 2), a_node("z", 8, partition="other"))


def refused(spec: JobSpec, name: str = "train", nodes: tuple[NodeView, ...] = _NODES) -> str | None:
    return refusal(spec, name=name, partition="p", nodes=nodes, gpu_kind="A100", max_script_bytes=8192)


@given(st.lists(st.integers(1, 8), min_size=1, max_size=4), st.integers(1, 9), st.integers(1, 9))
def test_what_is_let_in_fits_an_empty_cluster_and_what_fits_is_let_in(
    sizes: list[int], workers: int, gpus: int
) -> None:
    nodes = tuple(a_node(f"n{i}", size) for i, size in enumerate(sizes))
    fits = place(a_job(1, workers=workers, gpus_per_worker=gpus), {node.name: node.gpus for node in nodes})

    is_refused = refused(a_spec(workers=workers, gpus_per_worker=gpus), nodes=nodes) is not None

    assert is_refused == (fits is None)


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
    ],
)
def test_what_can_never_run_is_refused_with_the_number_against_it(spec: JobSpec, says: str) -> None:
    said = refused(spec)

    assert said is not None
    assert says in said
