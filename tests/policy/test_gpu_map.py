"""Every GPU of every node has a cell, and what is told of it is in the right one."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gpuq.gpus import Gpu, GpuState
from gpuq.models import Job, JobState, Node, Rank
from gpuq_daemon.policy.gpu_map import gpu_map
from gpuq_daemon.series.sampled import GpuSample, Sample, Stranger


def a_node(name: str, gpus: int = 2, **named: Any) -> Node:
    return Node(name=name, partition="p", host="h", gpu_kind="GPU", gpus=gpus, free_gpus=gpus, **named)


def a_job(job_id: int, *ranks: Rank) -> Job:
    return Job(
        id=job_id,
        name="n",
        user="ann",
        partition="p",
        state=JobState.RUNNING,
        workers=len(ranks),
        gpus_per_worker=1,
        gpus=len(ranks),
        gpu_kind="GPU",
        script_name="s",
        script_sha256="",
        submitted_at=0,
        ranks=ranks,
    )


def a_rank(rank: int, node: str, *gpus: str) -> Rank:
    return Rank(rank=rank, role="worker", host="h", node=node, gpus=gpus)


def a_sample(rank: int, *gpus: GpuSample, idle_s: float = 0) -> Sample:
    return Sample(t=100, rank=rank, cpu=7, memory_mib=1, idle_s=idle_s, gpus=gpus)


def the_map(nodes: list[Node], jobs: list[Job], held: dict[int, dict[str, int]], **named: Any) -> tuple[Gpu, ...]:
    how: dict[str, Any] = {"samples": {}, "idle_after_s": 600, "here": {}, "nodes_here": set[str](), **named}
    return gpu_map(nodes, jobs, held, how.pop("samples"), **how)


def test_what_a_rank_tells_is_in_the_cell_of_its_gpu() -> None:
    job = a_job(5, a_rank(0, "a", "1"), a_rank(1, "b", "GPU-x"))
    samples = {
        (5, 0): a_sample(0, GpuSample(uuid="GPU-q", index=1, util=80, memory_mib=5)),
        (5, 1): a_sample(1, GpuSample(uuid="GPU-x", index=0, util=0), idle_s=601),
    }

    found = the_map([a_node("a"), a_node("b")], [job], {5: {"a": 1, "b": 1}}, samples=samples)

    assert [(g.node, g.place, g.state, g.name, g.job_id, g.rank, g.util) for g in found] == [
        ("a", 0, "busy", "1", 5, 0, 80),
        ("a", 1, "free", None, None, None, None),
        ("b", 0, "idle", "GPU-x", 5, 1, 0),
        ("b", 1, "free", None, None, None, None),
    ]
    assert (found[0].user, found[0].at, found[0].cpu) == ("ann", 100, 7)


def test_where_the_node_tells_the_names_of_its_gpus_each_has_its_place() -> None:
    node = a_node("a", 3, gpu_names=("3", "4", "5"))
    here = {"3": GpuSample(uuid="GPU-x", index=3, util=4), "5": GpuSample(uuid="GPU-y", index=5)}

    told = the_map([node], [a_job(5, a_rank(0, "a", "4"))], {5: {"a": 1}}, here=here, nodes_here={"a"})
    untold = the_map([node], [a_job(5)], {5: {"a": 1}})

    assert [(g.place, g.name, g.uuid, g.job_id) for g in told] == [
        (0, "3", "GPU-x", None),
        (1, "4", None, 5),
        (2, "5", "GPU-y", None),
    ]
    assert [(g.name, g.job_id) for g in untold] == [(None, 5), ("4", None), ("5", None)]


def test_a_gpu_that_is_held_before_its_rank_has_told_anything_is_busy() -> None:
    found = the_map([a_node("a", 3)], [a_job(5, a_rank(0, "a", "0"))], {5: {"a": 2}})

    assert [(g.state, g.name, g.job_id) for g in found] == [("busy", "0", 5), ("busy", None, 5), ("free", None, None)]


def test_a_stranger_and_a_hot_gpu_come_before_all_else() -> None:
    stranger = Stranger(pid=1, user="eve", command="miner")
    gpus = (GpuSample(uuid="u", index=0, strangers=(stranger,)), GpuSample(uuid="v", index=1, throttled=("too hot",)))
    job = a_job(5, a_rank(0, "a", "0", "1"))

    found = the_map([a_node("a")], [job], {5: {"a": 2}}, samples={(5, 0): a_sample(0, *gpus, idle_s=900)})

    assert [g.state for g in found] == [GpuState.STRANGER, GpuState.THROTTLED]
    assert [(one.pid, one.user) for one in found[0].strangers] == [(1, "eve")]


def test_gpus_of_this_machine_tell_of_themselves_where_no_job_has_them() -> None:
    here = {
        str(n): GpuSample(uuid=f"u{n}", index=n, util=n, strangers=(Stranger(pid=9, user="e", command="c"),) * (n == 2))
        for n in range(4)
    }
    job = a_job(5, a_rank(0, "a", "0"))
    nodes = [a_node("a"), a_node("b"), a_node("far")]

    found = the_map(nodes, [job], {5: {"a": 1}}, here=here, nodes_here={"a", "b"})

    assert [(g.name, g.state) for g in found] == [
        ("0", "busy"),
        ("1", "free"),
        ("2", "stranger"),
        ("3", "free"),
        (None, "free"),
        (None, "free"),
    ]


def test_gpus_of_a_node_that_is_down_are_down() -> None:
    assert [g.state for g in the_map([a_node("a", is_up=False)], [], {})] == [GpuState.DOWN, GpuState.DOWN]


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 9)), max_size=6),
)
def test_there_are_as_many_cells_as_gpus_whatever_is_told(sizes: list[int], told: list[tuple[int, int, int]]) -> None:
    nodes = [a_node(f"n{i}", size) for i, size in enumerate(sizes)]
    jobs = [a_job(i + 1, a_rank(0, f"n{node}", *map(str, range(gpus)))) for i, (node, gpus, _) in enumerate(told)]
    held = {i + 1: {f"n{node}": count} for i, (node, _, count) in enumerate(told)}

    found = the_map(nodes, jobs, held)

    assert [(g.node, g.place) for g in found] == [(node.name, p) for node in nodes for p in range(node.gpus)]
