"""Whether the nodes of a partition could hold a gang at all, were they empty and well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gpuq.text import clean, fit
from gpuq.units import servers
from gpuq_daemon.policy.billing import Billing
from gpuq_daemon.policy.gang import Gang, Layout
from gpuq_daemon.policy.room import Room
from gpuq_daemon.policy.snapshot import NodeView
from gpuq_daemon.policy.spots import is_possible


def never_fits(gang: Gang, partition: str, nodes: Sequence[NodeView], gpu_kind: str) -> str | None:
    """Return why the partition's nodes can never hold the gang, in one sentence, or None.

    Nodes that are down or drained count: they may come back.
    """
    models = sorted({node.gpu_type for node in nodes if node.gpus and node.gpu_type})
    if gang.gpu_type is not None and not any(map(gang.takes, models)):
        shown, known = fit(clean(gang.gpu_type), 40), ", ".join(models) or "none by name"
        return f"There is no GPU model '{shown}' in partition {partition}; there is {known}."
    by_model: dict[str, list[NodeView]] = {}
    for node in nodes:
        if node.gpus and gang.takes(node.gpu_type):
            by_model.setdefault(node.gpu_type, []).append(node)
    refusals = [_too_few(gang, partition, alike, gpu_kind) for alike in by_model.values()]
    if not refusals:
        return f"The job asks for {gang.gpus} GPUs, the cluster has 0 {gpu_kind}s in partition {partition}."
    if all(refusals):
        # A gang is of one model: the model with most says what is missing.
        most = max(by_model.values(), key=lambda alike: sum(node.gpus for node in alike))
        return _too_few(gang, partition, most, gpu_kind)
    return None if _fits(gang, partition, nodes) else _no_shape(gang, partition)


def _too_few(gang: Gang, partition: str, nodes: Sequence[NodeView], gpu_kind: str) -> str | None:
    """Return what of GPUs alone is missing on nodes of one model."""
    total, largest = sum(node.gpus for node in nodes), max(node.gpus for node in nodes)
    kind = nodes[0].gpu_type or gpu_kind
    if gang.gpus > total:
        return (
            f"The job asks for {gang.gpus} GPUs, the cluster has {total} {kind if total == 1 else f'{kind}s'} "
            f"in partition {partition}."
        )
    if gang.gpus_per_worker > largest:
        return (
            f"A worker asks for {gang.gpus_per_worker} GPUs, the largest node of partition {partition} has "
            f"{largest}: use more workers with fewer GPUs each."
        )
    fit_there = sum(node.gpus // gang.gpus_per_worker for node in nodes)
    if gang.workers > fit_there:
        return (
            f"The job asks for {gang.workers} workers with {gang.gpus_per_worker} GPUs each, the nodes of "
            f"partition {partition} hold {fit_there} such workers."
        )
    return None


def _fits(gang: Gang, partition: str, nodes: Sequence[NodeView]) -> bool:
    if gang.needs_gpus_only and gang.nodes is None and not gang.servers:
        return True  # counted by `_too_few`
    room = Room([replace(node, is_up=True, drained=None) for node in nodes], billing=Billing())
    return is_possible(room, partition, gang, None)


def _no_shape(gang: Gang, partition: str) -> str:
    asks = [f"{gang.workers} x {gang.gpus_per_worker} GPUs"]
    if gang.nodes is not None:
        asks.append(f"exactly {gang.nodes} {'node' if gang.nodes == 1 else 'nodes'}")
    if gang.cpus_per_worker:
        asks.append(f"{gang.cpus_per_worker} CPUs a worker")
    if gang.memory_mib_per_worker:
        asks.append(f"{gang.memory_mib_per_worker} MiB a worker")
    asks += servers(gang.ps, evaluator=gang.evaluator)
    if gang.is_exclusive:
        asks.append("whole nodes")
    if gang.layout is Layout.SPREAD:
        asks.append("spread")
    return f"No nodes of partition {partition} can hold the job, even empty: it asks for {', '.join(asks)}."
