"""The GPU slots of the embedded engine: the machine's own GPUs, or virtual ones that no CUDA ever sees."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import Literal

from gpuq_daemon.backends.base import EngineError

GpuMode = Literal["auto", "virtual", "real"]
VIRTUAL = "virtual GPU"
_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """What the nodes have: the kind of GPU, and each node's addresses, which nobody else's are."""

    kind: str
    addresses: tuple[tuple[str, ...], ...]


def slots(mode: GpuMode, nodes: int, gpus_per_node: int) -> Slots:
    """Return the slots of the nodes; "auto" takes real GPUs where there are enough.

    Raises:
        EngineError: real ones are wanted, and there are too few.
    """
    wanted = nodes * gpus_per_node
    found = [] if mode == "virtual" else installed()
    if wanted > 0 and len(found) >= wanted:
        kinds = sorted({name for _, name in found[:wanted]})
        return Slots(kind=", ".join(kinds), addresses=_dealt([index for index, _ in found], nodes, gpus_per_node))
    if mode == "real":
        raise EngineError(
            f"{wanted} GPUs are configured, but nvidia-smi shows {len(found)}: configure fewer, or virtual ones."
        )
    # To CUDA a word that is neither a number nor a UUID names no device; Slurm hid GPUs by "NoDevFiles".
    return Slots(kind=VIRTUAL, addresses=_dealt([f"virtual{i}" for i in range(wanted)], nodes, gpus_per_node))


def installed() -> list[tuple[str, str]]:
    """Return index and model of each GPU that nvidia-smi shows; none where there is no nvidia-smi."""
    command = ["nvidia-smi", "--query-gpu=index,name", "--format=csv,noheader"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    rows = [line.partition(",") for line in told.stdout.splitlines()]
    return [(index.strip(), name.strip()) for index, _, name in rows if index.strip().isdecimal()]


def _dealt(addresses: list[str], nodes: int, gpus_per_node: int) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(addresses[node * gpus_per_node : (node + 1) * gpus_per_node]) for node in range(nodes))
