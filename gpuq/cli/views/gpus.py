"""GPUs as a table."""

from __future__ import annotations

from gpuq.cli.views.table import table
from gpuq.text import clean
from gpuq.units import duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gpuq.client import Json

_HEADER = ("NODE", "GPU", "STATE", "JOB", "RANK", "USER", "USE", "MEMORY", "POWER", "TEMP", "NOTE")
_RIGHT = frozenset({"JOB", "RANK", "USE", "MEMORY", "POWER", "TEMP"})
_MIB_A_GIB = 1024


def gpu_lines(
    gpus: Sequence[Json], *, names: Mapping[int, str] | None = None, width: int | None, mark: str = "…"
) -> list[str]:
    """Return one line a GPU, in the order given. Jobs are told by `names` where they have one."""
    return table(_HEADER, [_row(gpu, names or {}) for gpu in gpus], right=_RIGHT, width=width, mark=mark)


def gpu_name(gpu: Json) -> str:
    """Return what `gpuq trace` takes for a GPU: its UUID, or its place on its node."""
    name = gpu["name"]
    if name is not None and name.startswith(("GPU-", "MIG-")):
        return clean(name)
    return f"gpu:{clean(gpu['node'])}/{gpu['place'] if name is None else clean(name)}"


def _row(gpu: Json, names: Mapping[int, str]) -> tuple[str, ...]:
    return (
        gpu["node"],
        gpu_name(gpu),
        gpu["state"],
        names.get(gpu["job_id"], _or_dash(gpu["job_id"])),
        _or_dash(gpu["rank"]),
        gpu["user"] or "-",
        "-" if gpu["util"] is None else f"{gpu['util']:.0f}%",
        _memory(gpu),
        "-" if gpu["power_w"] is None else f"{gpu['power_w']:.0f} W",
        "-" if gpu["temperature_c"] is None else f"{gpu['temperature_c']:.0f} C",
        "; ".join(_notes(gpu)) or "-",
    )


def _memory(gpu: Json) -> str:
    used, there = gpu["memory_mib"], gpu["memory_total_mib"]
    if used is None:
        return "-"
    return f"{used / _MIB_A_GIB:.1f}" + ("" if there is None else f"/{there / _MIB_A_GIB:.0f}") + " GiB"


def _notes(gpu: Json) -> list[str]:
    """Return what is wrong, and what is known where the GPU itself tells nothing."""
    notes = [f"pid {one['pid']} {one['command']} of {one['user']} belongs to no job" for one in gpu["strangers"]]
    notes += [f"slowed down: {', '.join(gpu['throttled'])}"] if gpu["throttled"] else []
    notes += [f"not used for {duration(gpu['idle_s'])}"] if gpu["state"] == "idle" else []
    return notes + ([f"CPU {gpu['cpu']:.0f}%"] if gpu["util"] is None and gpu["cpu"] is not None else [])


def _or_dash(value: int | None) -> str:
    return "-" if value is None else str(value)
