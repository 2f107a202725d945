"""What a cluster's nodes offer jobs: what they have for pods, less what the pods of other people hold. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gpuq_daemon.kubernetes.objects import ClusterNode


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """One node's GPUs for jobs, and their model as the node's label says ("" where it has none)."""

    node: str
    gpus: int
    model: str
    is_up: bool


def capacity(
    nodes: Iterable[ClusterNode], foreign: Mapping[str, int], *, resource: str, model_label: str
) -> tuple[Capacity, ...]:
    """Return the nodes that have GPUs, by name; `foreign` is what pods of other people hold on each."""
    return tuple(
        Capacity(
            node=node.metadata.name,
            gpus=max(0, node.allocatable(resource) - foreign.get(node.metadata.name, 0)),
            model=node.metadata.label(model_label) or "",
            is_up=node.is_up,
        )
        for node in sorted(nodes, key=lambda node: node.metadata.name)
        if node.allocatable(resource) > 0
    )
