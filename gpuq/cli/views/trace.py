"""What a handle leads to, as a tree from the account down to the GPUs."""

from __future__ import annotations

from gpuq.text import clean
from gpuq.units import moment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gpuq.client import Json


def traced_lines(answer: Json) -> list[str]:
    """Return the tree of each attempt, the likeliest first; `>` marks what the handle names."""
    traces = answer["traces"]
    lines: list[str] = []
    if len(traces) > 1:
        lines += [f"{len(traces)} attempts have had this {answer['kind']}; what is there now comes first."]
    for trace in traces:
        lines += [*([""] if lines else []), *_tree(trace)]
    if answer["left_out"]:
        lines += ["", "There are more; the newest are shown."]
    return [clean(line) for line in lines]


def _tree(trace: Json) -> Iterator[str]:
    yield f"account {trace['account']}"
    yield f"  user {trace['user']}"
    whole = trace["rank"] is None and trace["matched"] in ("job", "path")
    yield f"{_mark(whole)}   job {trace['job_id']} {trace['name']}  {trace['state']}"
    if not trace["attempt"]:
        yield "      not started yet"
        return
    yield f"      attempt {trace['attempt']}{_when(trace)}"
    if trace["application_id"]:
        pid = "" if trace["driver_pid"] is None else f", driver pid {trace['driver_pid']}"
        yield f"{_mark(trace['matched'] == 'application')}       application {trace['application_id']}{pid}"
    pods = {pod["executor_id"]: pod for pod in trace["pods"] if pod["role"] == "executor"}
    for pod in trace["pods"]:
        if pod["role"] != "executor":
            yield f"        {_pod(pod)}"
    for rank in trace["ranks"]:
        yield from _rank(rank, pods.pop(rank["executor_id"], None), is_it=rank["rank"] == trace["rank"])
    for pod in pods.values():  # of ranks that never came up
        yield f"        {_pod(pod)}"
    if trace["log_uri"]:
        yield f"      logs {trace['log_uri']}"


def _rank(rank: Json, pod: Json | None, *, is_it: bool) -> Iterator[str]:
    parts = [f"rank {rank['rank']} {rank['role']} {rank['state']}", f"on {rank['node'] or rank['host']}"]
    parts += [f"host {rank['host']}"] if rank["node"] and rank["node"] != rank["host"] else []
    parts += [] if rank["executor_id"] is None else [f"executor {rank['executor_id']}"]
    parts += [] if rank.get("container_id") is None else [f"container {rank['container_id']}"]
    parts += [] if rank["pid"] is None else [f"pid {rank['pid']}"]
    parts += [] if rank["exit_code"] is None else [f"exit code {rank['exit_code']}"]
    yield f"{_mark(is_it)}       {'  '.join(parts)}"
    if pod is not None:
        yield f"          {_pod(pod)}"
    gpus: Sequence[str] = rank["gpus"]
    if gpus:
        yield f"          GPU {', '.join(gpus)}"


def _pod(pod: Json) -> str:
    ended = "" if pod["exit_code"] is None else f", exit code {pod['exit_code']}"
    reason = "" if pod["reason"] is None else f" ({pod['reason']})"
    gone = "" if pod["gone_at"] is None else f", gone since {moment(pod['gone_at'])}"
    odd = "" if pod.get("disagrees") is None else f"; it says otherwise of itself: {pod['disagrees']}"
    role = f" ({pod['role']})" if pod["role"] else ""
    return f"pod {pod['namespace']}/{pod['name']}{role} {pod['phase']}{ended}{reason}{gone}{odd}"


def _when(trace: Json) -> str:
    if trace["ended_at"] is None:
        return f", since {moment(trace['started_at'])}"
    reason = f" ({trace['end_reason']})" if trace["end_reason"] else ""
    return f", {moment(trace['started_at'])} to {moment(trace['ended_at'])}{reason}"


def _mark(is_it: bool) -> str:
    return ">" if is_it else " "
