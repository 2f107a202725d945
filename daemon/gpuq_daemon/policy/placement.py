"""Where a gang fits: all of its workers, or nothing."""

from __future__ import annotations

from collections.abc import Mapping

from gpuq_daemon.policy.snapshot import NodeView, PendingJob


def place(job: PendingJob, free_by_node: Mapping[str, int]) -> dict[str, int] | None:
    """Return workers by node, or None if the gang does not fit now.

    The fullest nodes that still take a worker are used first, so that large holes stay large for
    the gangs that need them; at equal fullness by name, so that the answer depends on nothing else.
    """
    placed: dict[str, int] = {}
    left = job.workers
    for node, free in sorted(free_by_node.items(), key=lambda item: (item[1], item[0])):
        here = min(left, max(free, 0) // job.gpus_per_worker)
        if here:
            placed[node] = here
            left -= here
        if not left:
            return placed
    return None


def largest_gang(nodes: tuple[NodeView, ...], gpus_per_worker: int) -> int:
    """Return how many workers of this size the nodes could hold if all were free and up."""
    return sum(node.gpus // gpus_per_worker for node in nodes)
