"""What is free, by partition and GPU model."""

from __future__ import annotations

from gpuq.cli.views.table import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from gpuq.client import Json

_HEADER = ("PARTITION", "GPU", "NODES", "GPUS", "BUSY", "FREE", "OUT", "LARGEST WORKER")


_COUNTED = ("nodes", "gpus", "busy", "free", "out", "largest")


def free_rows(nodes: Sequence[Json], drained: AbstractSet[str]) -> list[Json]:
    """Return for each partition and model: nodes, GPUs, busy, free and out of service, most free ones on one node."""
    found: dict[tuple[str, str], Json] = {}
    for node in nodes:
        kind = node.get("gpu_type") or node["gpu_kind"]
        row = found.setdefault(
            (node["partition"], kind),
            {
                "partition": node["partition"],
                "gpu": kind,
                "nodes": 0,
                "gpus": 0,
                "busy": 0,
                "free": 0,
                "out": 0,
                "largest": 0,
            },
        )
        busy = node["gpus"] - node["free_gpus"]
        is_out = not node["is_up"] or node["name"] in drained
        free = 0 if is_out else node["free_gpus"]
        row["nodes"] += 1
        row["gpus"] += node["gpus"]
        row["busy"] += busy
        row["free"] += free
        row["out"] += node["gpus"] - busy - free
        row["largest"] = max(row["largest"], free)
    return [found[key] for key in sorted(found)]


def free_lines(rows: Sequence[Json], *, width: int | None, mark: str = "…") -> list[str]:
    """Return one line a partition and model."""
    cells = [tuple(str(row[name]) for name in ("partition", "gpu", *_COUNTED)) for row in rows]
    return table(_HEADER, cells, right=frozenset(_HEADER[2:]), width=width, mark=mark)
