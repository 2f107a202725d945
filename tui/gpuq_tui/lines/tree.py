"""A job from the outside in: its attempt, the Spark application, the pods, the ranks, their GPUs, earlier attempts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gpuq.models import Job, Rank
from gpuq.tracing import PodsTold, Trace, TracedPod
from gpuq.units import moment, plural
from gpuq_tui.lines.line import Line, Tone, line
from gpuq_tui.lines.queue import note

_BAD = ("FAILED", "LOST")


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One line of the tree: what it is (a key that stays), its text, what of it can be copied, and its rank.

    `gpu`: the node and the name of the GPU that it is.
    """

    key: str
    line: Line
    copy: str
    rank: int | None = None
    gpu: tuple[str, str] | None = None


def tree(job: Job, traces: Sequence[Trace] = ()) -> list[Leaf]:
    """Return the lines of a job from the top down; what is not known yet is left out.

    `traces` are its attempts as gpuqd traces them: from these come the pods, and the attempts before.
    """
    now = next((trace for trace in traces if trace.attempt == job.attempt), None)
    pods = {pod.executor_id: pod for pod in (() if now is None else now.pods) if pod.role == "executor"}
    held = f"  {plural(job.gpus, job.gpu_kind)}"
    leaves = [
        Leaf(key="job", line=_head("", f"job {job.shown_id} {job.name}", f"  {job.state}{held}"), copy=job.shown_id)
    ]
    leaves.append(Leaf(key="account", line=line(f"  of {job.user} in account {job.account}", Tone.DIM), copy=job.user))
    if job.attempt:
        told = f"  {note(job)}" if job.state.holds_gpus else ""
        leaves.append(Leaf(key="attempt", line=_head("  ", f"attempt {job.attempt}", told), copy=job.shown_id))
    if job.application_id:
        pid = "" if job.driver_pid is None else f"  driver pid {job.driver_pid}"
        leaves.append(
            Leaf(
                key="application", line=_head("    ", f"application {job.application_id}", pid), copy=job.application_id
            )
        )
    leaves += [_pod(pod) for pod in (() if now is None else now.pods) if pod.role != "executor"]
    for rank in job.ranks:
        leaves += _rank(rank, job, pods.pop(rank.executor_id, None))
    leaves += [_pod(pod) for pod in pods.values()]  # of ranks that never came up
    for key, uri in (("logs", job.log_uri), ("checkpoints", job.checkpoint_uri)):
        if uri:
            leaves.append(Leaf(key=key, line=line(f"  {key} {uri}", Tone.DIM), copy=uri))
    leaves += [_earlier(trace) for trace in traces if trace.attempt and trace.attempt < job.attempt]
    return leaves


def with_pods(traces: Sequence[Trace], told: Sequence[PodsTold]) -> Sequence[Trace]:
    """Return traces with the pods that were told of since, each in the place of its uid."""
    news = {(one.job_id, one.attempt): one.pods for one in told}
    return [replace(trace, pods=_newest(trace.pods, news.get((trace.job_id, trace.attempt), ()))) for trace in traces]


def _newest(known: Sequence[TracedPod], told: Sequence[TracedPod]) -> tuple[TracedPod, ...]:
    pods = {pod.uid: pod for pod in known}
    for pod in told:
        if pod.uid not in pods or pod.last_seen >= pods[pod.uid].last_seen:  # else it is older than the answer
            pods[pod.uid] = pod
    return tuple(pods.values())


def _earlier(trace: Trace) -> Leaf:
    reason = f" ({trace.end_reason})" if trace.end_reason else ""
    told = f"  {moment(trace.started_at)} to {moment(trace.ended_at)}{reason}, {plural(len(trace.ranks), 'rank')}"
    key = f"attempt {trace.attempt}"
    return Leaf(key=key, line=_head("  ", key, told, Tone.DIM), copy=trace.application_id or str(trace.job_id))


def _pod(pod: TracedPod, rank: int | None = None) -> Leaf:
    ended = "" if pod.exit_code is None else f"  exit code {pod.exit_code}"
    reason = "" if pod.reason is None else f" ({pod.reason})"
    gone = "" if pod.gone_at is None else f"  gone since {moment(pod.gone_at)}"
    odd = "" if pod.disagrees is None else f"  {pod.disagrees}"
    tone = Tone.BAD if pod.reason is not None or odd else Tone.DIM
    name = f"{pod.namespace}/{pod.name}"
    text = f"        pod {name}  {pod.phase}{ended}{reason}{gone}{odd}"
    return Leaf(key=f"pod {pod.uid}", line=line(text, tone), copy=name, rank=rank)


def _rank(rank: Rank, job: Job, pod: TracedPod | None) -> list[Leaf]:
    where = rank.host if rank.node is None or rank.node == rank.host else f"{rank.node} ({rank.host})"
    process = "" if rank.pid is None else f"  pid {rank.pid}"
    executor = "" if rank.executor_id is None else f"  executor {rank.executor_id}"
    executor += "" if rank.container_id is None else f"  {rank.container_id}"
    ended = "" if rank.exit_code is None else f"  exit code {rank.exit_code}"
    first = "  failed first" if rank.rank == job.failed_rank else ""
    odd = "" if rank.disagrees is None else f"  {rank.disagrees}"
    text = f"  on {where}{executor}{process}  {rank.state}{ended}{first}{odd}"
    tone = Tone.BAD if rank.state in _BAD or odd else Tone.PLAIN
    handle = rank.host if rank.pid is None else f"{rank.host}:{rank.pid}"
    rows = [
        Leaf(
            key=f"rank {rank.rank}",
            line=_head("      ", f"rank {rank.rank} {rank.role}", text, tone),
            copy=handle,
            rank=rank.rank,
        )
    ]
    rows += [] if pod is None else [_pod(pod, rank.rank)]
    for gpu in rank.gpus:
        at = rank.node or rank.host
        name = f"gpu:{at}/{gpu}"
        key = f"{rank.rank} {name}"
        rows.append(Leaf(key=key, line=line(f"        {name}"), copy=name, rank=rank.rank, gpu=(at, gpu)))
    return rows


def _head(indent: str, strong: str, rest: str, tone: Tone = Tone.PLAIN) -> Line:
    return (indent, Tone.PLAIN), (strong, Tone.STRONG), (rest, tone)
