"""A job as everybody sees it: what is stored, with what only the running daemon knows."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gpuq.coming_up import coming_up
from gpuq.gpus import Gpu
from gpuq.models import Cluster, Job, JobState, Reason, SignalKind, Tasks, Why
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.forecast.estimate import Estimate
from gpuq_daemon.hooks.job_hooks import HELD
from gpuq_daemon.kubernetes.quota import exceeded
from gpuq_daemon.policy.reasons import clock

_HOOKS = (SignalKind.PROLOG, SignalKind.EPILOG)
_PODS_SHOWN = 3
_TAIL_OF_LOG = 64 * 1024


def whole(desk: Desk, job: Job) -> Job:
    """Return the job with its reason, the kind of its GPUs, its charge so far, its progress and its silence."""
    charged = job.charged_gpu_s
    if job.state.holds_gpus and job.started_at is not None:
        charged += max(0.0, desk.clock.now() - job.started_at) * job.gpus
    place = desk.place(job.id, job.attempt) if job.attempt else None
    priority, start_at = desk.outlook(job.id) if job.state is JobState.PENDING else (None, None)
    told = desk.metrics.told(job.id) if job.attempt else None
    said = () if told is None else (one for one in told.signals if one.kind not in _HOOKS or one.attempt == job.attempt)
    estimate = desk.estimate(job.id) if job.state is JobState.PENDING else None
    return replace(
        job,
        priority=priority,
        start_at=start_at,
        log_uri=place.folder.as_uri() if place else None,
        checkpoint_uri=place.checkpoints.as_uri() if place else None,
        reason=_reason(desk, job),
        silent_since=desk.silent_since(job.id) if job.state is JobState.RUNNING else None,
        gpu_kind=desk.gpu_kind(job.partition),
        charged_gpu_s=charged,
        error=job.error or (desk.trouble(job.id, job.attempt) if job.attempt else None),
        progress=told.progress if told else None,
        signals=(*said, *(desk.flags(job.id) if job.state is JobState.RUNNING else ())),
        damaged_events=told.damaged if told else 0,
        p50_at=None if estimate is None else estimate.p50_at,
        p90_at=None if estimate is None else estimate.p90_at,
    )


def in_full(desk: Desk, job: Job) -> Job:
    """Return a job with what is only told of one that is asked for by itself. Reads files."""
    if not job.attempt:
        return job
    uri = desk.place(job.id, job.attempt).carried_to()
    return replace(job, hparams=desk.metrics.hparams(job.id), carried_uri=uri)


def _reason(desk: Desk, job: Job) -> Reason | None:
    match job.state:
        case JobState.PENDING:
            return desk.reason(job.id)
        case JobState.DEADLINE:
            return Reason.DEADLINE
        case _:
            return None


class Sources:
    """What the feed tells of: jobs as everybody sees them."""

    def __init__(self, desk: Callable[[], Desk]) -> None:
        self._desk = desk

    def jobs(self, job_ids: Sequence[int]) -> list[Job]:
        """Return those of the jobs that there are."""
        desk = self._desk()
        return [whole(desk, job) for job in desk.jobs.jobs_of(job_ids)]

    def unbegun(self, job_ids: Sequence[int]) -> Mapping[int, tuple[str, Mapping[str, Any]]]:
        """Return those of the jobs that wait and have never begun: the user, and the fields that may be changed."""
        desk = self._desk()
        found = desk.jobs.unbegun(job_ids)
        for _, asked in found.values():
            asked["gpu_kind"] = desk.gpu_kind(asked["partition"])
        return found

    def live_ids(self) -> Sequence[int]:
        """Return the jobs that have not ended."""
        return self._desk().jobs.live_ids()

    def waiting(self) -> Iterable[tuple[int, Reason, float | None]]:
        """Return pending jobs with their reason and promised start."""
        return self._desk().waiting()

    def cluster(self) -> Cluster:
        """Return the daemon and its nodes."""
        return self._desk().cluster()

    def gpus(self) -> Sequence[Gpu]:
        """Return the GPUs of all nodes."""
        return self._desk().gpus()


def why(desk: Desk, job: Job) -> Why:
    """Return why the job is where it is, with all tasks where it has the number of an array."""
    found = _why(desk, job)
    return replace(found, tasks=_tasks(desk, job.id)) if job.array_id == job.id else found


def _tasks(desk: Desk, array_id: int) -> Tasks:
    tasks = desk.jobs.task_states(array_id)
    known = [one for job_id, _ in tasks if (one := desk.estimate(job_id)) is not None]
    return Tasks(
        states=dict(Counter(state for _, state in tasks)),
        first_at=min((one.p50_at for one in known if one.p50_at is not None), default=None),
        last_at=max((one.p90_at for one in known if one.p90_at is not None), default=None),
    )


def _why(desk: Desk, job: Job) -> Why:
    """Return the same of this job alone; for one that does not wait, what became of it."""
    if job.state is JobState.PENDING:
        try:
            explained = desk.explain(job.id, desk.gpu_kind(job.partition))
            explained = replace(explained, text=_with_hooks(desk, job, explained))
            return estimated(explained, desk.estimate(job.id))
        except KeyError:
            job = desk.jobs.job(job.id)
    nodes = [node for node in desk.cluster().nodes if node.partition == job.partition]
    return Why(
        job_id=job.id,
        state=job.state,
        reason=_reason(desk, job),
        text=_course(job) + _waiting_pods(desk, job) + _signs(whole(desk, job)),
        needs_gpus=job.gpus,
        free_gpus=sum(node.free_gpus for node in nodes),
        total_gpus=sum(node.gpus for node in nodes),
    )


def _with_hooks(desk: Desk, job: Job, why: Why) -> str:
    """Return why a job waits, with which of the site's programs failed when it was started last.

    Once a job that its prolog held is released, that is over, and is told no more.
    """
    told = desk.metrics.told(job.id).signals if job.attempt else ()
    failed = [one for one in told if one.kind in _HOOKS and one.attempt == job.attempt]
    is_held = why.reason is Reason.HELD_BY_USER
    failed = [one for one in failed if is_held or one.kind is not SignalKind.PROLOG or not one.text.endswith(HELD)]
    is_prologs = is_held and any(one.kind is SignalKind.PROLOG for one in failed)
    text = "held: its prolog failed; release it with `gpuq release`." if is_prologs else why.text
    return " ".join([text, *(one.text for one in failed)])


def estimated(why: Why, estimate: Estimate | None) -> Why:
    """Return why a job waits with an estimate of its start."""
    if estimate is None:
        return why
    return replace(why, p50_at=estimate.p50_at, p90_at=estimate.p90_at, past_runs=estimate.past_runs)


def _waiting_pods(desk: Desk, job: Job) -> str:
    """Return what the job's pods wait for while it is starting, where it has such."""
    if job.state is not JobState.CONFIGURING:
        return ""
    there = [pod for pod in desk.pods.of_job(job.id, job.attempt) if pod.gone_at is None]
    waiting = [pod for pod in there if pod.waits_for is not None]
    said = "".join(f" Pod {pod.name} waits: {pod.waits_for}" for pod in waiting[:_PODS_SHOWN])
    return said if said or not there else _missing_pods(desk, job)


def _missing_pods(desk: Desk, job: Job) -> str:
    """Return why pods of a job that has some were not made, where its driver has said so."""
    try:
        with desk.place(job.id, job.attempt).own_log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _TAIL_OF_LOG))
            log = file.read(_TAIL_OF_LOG)
    except OSError:
        return ""
    said = exceeded(log.decode(errors="replace"))
    return "" if said is None else f" {said}"


def _signs(job: Job) -> str:
    """Return what a running job's points, and what it uses, say of it."""
    if job.state is not JobState.RUNNING:
        return ""
    return "".join(f" {signal.text[:1].upper()}{signal.text[1:]}." for signal in job.signals)


def _course(job: Job) -> str:
    match job.state:
        case JobState.PENDING:
            return "starts in the next pass."
        case JobState.CONFIGURING:
            so_far = coming_up(job.rank_count, job.nodes, [rank.node for rank in job.ranks])
            return f"is starting on {', '.join(job.nodes)}: {so_far}."
        case JobState.RUNNING:
            return f"runs on {', '.join(job.nodes)}."
        case JobState.COMPLETING:
            return "has ended; its GPUs are free once nothing of it is left."
        case JobState.COMPLETED:
            return f"ran for {_ran_s(job):.0f} s and ended well."
        case JobState.FAILED:
            return f"failed with exit code {job.exit_code}: {job.error}."
        case JobState.CANCELLED:
            return f"was cancelled after {_ran_s(job):.0f} s." if job.attempt else "was cancelled before it started."
        case JobState.TIMEOUT:
            return f"was ended at its time limit of {job.time_limit_s} s."
        case JobState.DEADLINE:
            by = clock(job.deadline or 0.0)
            return f"was ended at its deadline, {by}." if job.attempt else f"could not start in time to end by {by}."


def _ran_s(job: Job) -> float:
    return (job.ended_at or 0.0) - (job.started_at or 0.0)
