"""What happens, one line each."""

from __future__ import annotations

from gpuq.cli.views.gpus import gpu_name
from gpuq.cli.views.job import how_ended
from gpuq.cli.views.queue import progress, shown_id
from gpuq.text import clean, fit
from gpuq.units import moment, plural

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from gpuq.client import Json

_TOLD_APART = (
    "id",
    "state",
    "reason",
    "attempt",
    "nodes",
    "ranks",
    "failed_rank",
    "exit_code",
    "error",
    "progress",
    "signals",
)
_NEVER_SAID = (
    "started_at",
    "running_at",
    "ended_at",
    "error_tail",
    "charged_gpu_s",
    "driver_pid",
    "log_uri",
    "checkpoint_uri",
    "application_id",
)


def event_line(kind: str, data: Json, now: float, names: Mapping[int, str]) -> str:
    """Return an event of the stream with the time it was heard; `names` are what tasks of arrays are called."""
    return f"{moment(now)}  {_said(kind, data, names)}"


def past_lines(job: Json, earlier: Sequence[Json] = ()) -> list[str]:
    """Return what a job has come through, as far as its row tells, and when its `earlier` attempts began and ended."""
    name, before = (
        f"job {shown_id(job)}",
        f"attempt {job['attempt']} " if earlier and job["started_at"] is not None else "",
    )
    steps: list[tuple[float | None, str]] = [
        (job["submitted_at"], f"submitted by {clean(job['user'])}"),
        (job["started_at"], f"attempt {job['attempt']} started on {clean(' '.join(job['nodes'])) or 'its nodes'}"),
        (job["running_at"], f"{before}running"),
        (job["ended_at"], before + "; ".join(_parts({key: job[key] for key in job if key in _END}))),
    ]
    for one in earlier:
        steps += [
            (one["started_at"], f"attempt {one['attempt']} started"),
            (one["ended_at"], f"attempt {one['attempt']} {how_ended(one)}"),
        ]
    steps += [(signal["wall_time"], f"! {clean(signal['text'])}") for signal in job["signals"]]
    told = sorted(((at, words) for at, words in steps if at is not None), key=lambda step: step[0])
    lines = [f"{moment(at)}  {name}  {words}" for at, words in told]
    if job["state"] == "PENDING" and job["reason"]:
        lines.append(f"{'now':<19}  {name}  PENDING; {job['reason']}")
    return lines


_END = ("state", "exit_code", "failed_rank", "error")


def _said(kind: str, data: Any, names: Mapping[int, str]) -> str:
    match kind:
        case "job":
            return f"job {names.get(data['id'], data['id'])}  {'; '.join(_parts(data)) or 'changed'}"
        case "removed":
            return f"job {names.get(data['id'], data['id'])}  not kept any more"
        case "node":
            return f"node {clean(data['name'])}  {'; '.join(_of_node(data, names)) or 'changed'}"
        case "node_removed":
            return f"node {clean(data['name'])}  gone"
        case "engine":
            return f"engine  {'ok' if data.get('engine_ok') else clean(str(data.get('engine_message') or 'down'))}"
        case "shares":
            return "shares and priorities computed anew"
        case "gpus":
            gone = [f"gpu:{clean(one['node'])} slot {one['place']} gone" for one in data["gone"]]
            return "  ".join(_first([*(_of_gpu(gpu, names) for gpu in data["gpus"]), *gone]))
        case "pods":
            name = names.get(data["job_id"], data["job_id"])
            return f"job {name}  {', '.join(_first([_of_pod(pod) for pod in data['pods']]))}"
        case "rules":
            return "operators decided something"
        case _:
            return clean(kind)


def _parts(data: Json) -> Iterator[str]:
    if "submitted_at" in data:
        yield f"submitted by {clean(data['user'])}: {clean(data['name'])}"
    if "state" in data:
        yield data["state"]
    if data.get("reason"):
        yield str(data["reason"])
    if data.get("attempt"):
        yield f"attempt {data['attempt']}"
    if data.get("nodes"):
        yield f"on {clean(' '.join(data['nodes']))}"
    if data.get("ranks"):
        yield _of_ranks(data["ranks"])
    if data.get("failed_rank") is not None:
        yield f"rank {data['failed_rank']} failed first"
    if data.get("exit_code") is not None:
        yield f"exit code {data['exit_code']}"
    if data.get("error"):
        yield fit(clean(data["error"]), 200)
    for signal in data.get("signals") or ():
        yield f"! {clean(signal['text'])}"
    if data.get("progress"):
        yield clean(progress({"progress": data["progress"]}))
    if "submitted_at" not in data and (others := [n for n in data if n not in _TOLD_APART and n not in _NEVER_SAID]):
        yield "changed: " + clean(", ".join(others))


def _of_ranks(ranks: list[Json]) -> str:
    """Return how many ranks are in each state, the troubled ones by number."""
    states: dict[str, list[int]] = {}
    for rank in ranks:
        states.setdefault(rank["state"], []).append(rank["rank"])
    troubled = ("FAILED", "LOST")
    parts = [
        f"rank {','.join(map(str, numbers))} {state}"
        if state in troubled
        else f"{plural(len(numbers), 'rank')} {state}"
        for state, numbers in states.items()
    ]
    return ", ".join(parts)


_MOST_NAMED = 4


def _first(words: list[str]) -> list[str]:
    """Return the first few of some words, and how many more there are."""
    left = len(words) - _MOST_NAMED
    return words if left <= 0 else [*words[:_MOST_NAMED], f"and {left} more"]


def _of_gpu(gpu: Json, names: Mapping[int, str]) -> str:
    held = "" if gpu["job_id"] is None else f" (job {names.get(gpu['job_id'], gpu['job_id'])})"
    used = "" if gpu["util"] is None else f" {gpu['util']:.0f} %"
    return f"{gpu_name(gpu)} {clean(gpu['state'])}{held}{used}"


def _of_pod(pod: Json) -> str:
    how = "gone" if pod["gone_at"] is not None else clean(pod["phase"])
    end = "" if pod["exit_code"] is None else f", exit code {pod['exit_code']}"
    return f"pod {clean(pod['namespace'])}/{clean(pod['name'])} {how}{end}{_because(pod)}"


def _because(pod: Json) -> str:
    return "" if not pod["reason"] else f", {clean(pod['reason'])}"


def _of_node(data: Json, names: Mapping[int, str]) -> Iterator[str]:
    if "is_up" in data:
        yield "up" if data["is_up"] else "down"
    if "free_gpus" in data:
        yield f"{plural(data['free_gpus'], 'GPU')} free"
    if data.get("job_ids"):
        yield "jobs " + ",".join(names.get(job_id, str(job_id)) for job_id in data["job_ids"])
