"""Clusters as words: `70x8`, or `40x8:a100,20x4:v100`."""

from __future__ import annotations

import re

from gpuq.errors import UsageError
from gpuq.text import clean, fit
from gpuq_daemon.policy.gang import Gang
from gpuq_daemon.policy.snapshot import NodeView

PARTITION = "main"
_MOST_NODES = 20_000
_PART = re.compile(r"(\d{1,5})x(\d{1,3})(?::([A-Za-z0-9._-]{1,32}))?")


def parse_nodes(text: str) -> tuple[NodeView, ...]:
    """Return the nodes that a text tells.

    Raises:
        UsageError: it is not understood, or too many.
    """
    made: list[NodeView] = []
    for part in text.split(","):
        found = _PART.fullmatch(part.strip())
        if found is None or not int(found[1]) or not int(found[2]):
            shown = fit(clean(part), 40)
            raise UsageError(f"'{shown}' does not tell nodes: write COUNTxGPUS or COUNTxGPUS:MODEL, as 70x8:a100.")
        if len(made) + int(found[1]) > _MOST_NODES:
            raise UsageError(f"More than {_MOST_NODES} nodes are too many to simulate.")
        first = len(made)
        made += [
            NodeView(name=f"n{first + i:05d}", partition=PARTITION, gpus=int(found[2]), gpu_type=found[3] or "")
            for i in range(int(found[1]))
        ]
    return tuple(made)


def gang_for(gpus: int, gpu_type: str | None, node_gpus: int) -> Gang:
    """Return the gang for so many GPUs: on one node where they fit one, else on as few and as whole ones as can be."""
    if gpus <= node_gpus:
        return Gang(workers=1, gpus_per_worker=gpus, gpu_type=gpu_type)
    each = next(size for size in range(node_gpus, 0, -1) if gpus % size == 0)
    return Gang(workers=gpus // each, gpus_per_worker=each, gpu_type=gpu_type)
