"""What a handle leads to, as a tree from the account down to the GPUs."""

from __future__ import annotations

from gpuq.cli.views.gpus import gpu_name
from gpuq.text import clean
from gpuq.units import moment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gpuq.client import Json


_WHOLE = ("job", "array", "job name", "path")


def traced_lines(answer: Json) -> list[str]:
    """Return the tree of each attempt, the likeliest first; `>` marks what the handle names."""
    traces = answer["traces"]
    if not traces:
        return [clean(answer["searched"])]
    lines: list[str] = []
    if len(traces) > 1:
        lines += [f"{len(traces)} attempts may be meant by this {answer['kind']}; what is there now comes first."]
    for trace in traces:
        lines += [*([""] if lines else []), *_tree(trace)]
    if answer["left_out"]:
        lines += ["", "There are more; the newest are shown."]
    return [clean(line) for line in lines]


def _tree(trace: Json) -> Iterator[str]:
    yield f"account {trace['account']}"
    yield f"  user {trace['user']}"
    whole = trace["rank"] is None and trace["matched"] in _WHOLE
    task = "" if trace["array_id"] is None else f" (task {trace['array_id']}_{trace['array_index']})"
    yield f"{_mark(whole)}   job {trace['job_id']}{task} {trace['name']}  {trace['state']}"
    if not trace["attempt"]:
        yield "      not started yet"
        return
    yield f"      attempt {trace['attempt']}{_when(trace)}"
    if trace["application_id"]:
        pid = "" if trace["driver_pid"] is None else f", driver's pid {trace['driver_pid']}"
        yield f"{_mark(trace['matched'] == 'application')}       application {trace['application_id']}{pid}"
    pods = {pod["executor_id"]: pod for pod in trace["pods"] if pod["role"] == "executor"}
    for pod in trace["pods"]:
        if pod["role"] != "executor":
            yield f"        {_pod(pod)}"
    for rank in trace["ranks"]:
        yield from _rank(trace, rank, pods.pop(rank["executor_id"], None))
    for pod in pods.values():  # of ranks that never came up
        yield f"        {_pod(pod)}"
    if trace["log_uri"]:
        yield f"      logs {trace['log_uri']}"


def _rank(trace: Json, rank: Json, pod: Json | None) -> Iterator[str]:
    """Yield a rank and what is its own. Each name is one that `gpuq trace` takes."""
    application, executor = trace["application_id"], rank["executor_id"]
    parts = [f"rank {rank['rank']} {rank['role']} {rank['state']}", f"on {rank['node'] or rank['host']}"]
    parts += [] if rank["exit_code"] is None else [f"exit code {rank['exit_code']}"]
    yield f"{_mark(rank['rank'] == trace['rank'])}       {'  '.join(parts)}"
    own = [] if rank["pid"] is None else [f"process {_address(rank['host'])}:{rank['pid']}"]
    own += [] if application is None or executor is None else [f"executor {application}/{executor}"]
    own += [] if rank.get("container_id") is None else [f"container {rank['container_id']}{_odd(rank)}"]
    if own:
        yield f"          {'  '.join(own)}"
    if pod is not None:
        yield f"          {_pod(pod)}"
    gpus: Sequence[str] = rank["gpus"]
    if gpus:
        node = rank["node"] or rank["host"]
        yield f"          GPU {' '.join(gpu_name({'node': node, 'name': gpu}) for gpu in gpus)}"


def _address(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _pod(pod: Json) -> str:
    ended = "" if pod["exit_code"] is None else f", exit code {pod['exit_code']}"
    reason = "" if pod["reason"] is None else f" ({pod['reason']})"
    gone = "" if pod["gone_at"] is None else f", gone since {moment(pod['gone_at'])}"
    role = f" ({pod['role']})" if pod["role"] else ""
    return f"pod {pod['namespace']}/{pod['name']}{role} {pod['phase']}{ended}{reason}{gone}{_odd(pod)}"


def _odd(one: Json) -> str:
    """Return what a pod or a rank says of itself that is not so."""
    return "" if one.get("disagrees") is None else f"; it says otherwise of itself: {one['disagrees']}"


def _when(trace: Json) -> str:
    if trace["ended_at"] is None:
        return f", since {moment(trace['started_at'])}"
    reason = f" ({trace['end_reason']})" if trace["end_reason"] else ""
    return f", {moment(trace['started_at'])} to {moment(trace['ended_at'])}{reason}"


def _mark(is_it: bool) -> str:
    return ">" if is_it else " "
