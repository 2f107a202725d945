"""Nodes as a table."""

from __future__ import annotations

from gpuq.cli.views.table import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gpuq.client import Json

_HEADER = ("NODE", "PARTITION", "GPU", "GPUS", "FREE", "STATE", "JOBS")


def node_lines(
    nodes: Sequence[Json],
    drains: Sequence[Json],
    *,
    names: Mapping[int, str] | None = None,
    width: int | None,
    mark: str = "…",
) -> list[str]:
    """Return one line a node, in the order given; a drained one says why. Jobs are told by `names` if they have one."""
    reasons = {drain["node"]: drain["reason"] for drain in drains}
    rows = [_row(node, reasons, names or {}) for node in nodes]
    return table(_HEADER, rows, right=frozenset({"GPUS", "FREE"}), width=width, mark=mark)


def _row(node: Json, reasons: Mapping[str, str], names: Mapping[int, str]) -> tuple[str, ...]:
    state = "up" if node["is_up"] else "down"
    if node["name"] in reasons:
        state += f", drained: {reasons[node['name']]}"
    jobs = " ".join(names.get(job_id, str(job_id)) for job_id in node["job_ids"]) or "-"
    return (
        node["name"],
        node["partition"],
        _gpu(node),
        str(node["gpus"]),
        str(node["free_gpus"]),
        state,
        jobs,
    )


def _gpu(node: Json) -> str:
    """Return the model, with what a slot is where it is no GPU; the latter alone where no model is told."""
    kind, model = node["gpu_kind"], node.get("gpu_type")
    if not model:
        return kind
    return model if kind == "GPU" else f"{model} ({kind})"
