"""What was, and what would have been: scenes on record decided again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gpuq.errors import NotFoundError, UsageError
from gpuq.models import JobState, Reason, Why
from gpuq.text import clean, fit
from gpuq_daemon.forecast.packing import Scene
from gpuq_daemon.forecast.record import Decided, decided_of
from gpuq_daemon.policy.engine import Engine
from gpuq_daemon.policy.making import engine_for
from gpuq_daemon.policy.reasons import clock, explain
from gpuq_daemon.policy.rules import Rules, Weights
from gpuq_daemon.policy.snapshot import ActiveJob, NodeView, PendingJob
from gpuq_daemon.policy.starting import begun
from gpuq_daemon.policy.tiers.engine import TieredEngine
from gpuq_daemon.policy.tiers.settings import Tiers

_NO_WEIGHTS = Weights(age=0, fair_share=0, job_size=0, partition=0, qos=0)
POLICIES = ("multifactor", "tiered", "fair-first", "fifo-best-effort", "easy", "conservative")


@dataclass(frozen=True, slots=True, kw_only=True)
class Then:
    """The queue as a pass left it: who it started runs, and of the others is told why they wait."""

    at: float
    nodes: tuple[NodeView, ...]
    active: tuple[ActiveJob, ...]
    pending: tuple[PendingJob, ...]
    reasons: Mapping[int, Reason]


def decided_again(scene: Scene, policy: str | None = None) -> Decided:
    """Return what the pass decides, or what another policy would have decided.

    Raises:
        UsageError: there is no such policy.
    """
    snapshot = scene.snapshot
    if policy is not None:
        snapshot = replace(snapshot, rules=_rules(snapshot.rules, policy))
    _, plan = _passed(replace(scene, snapshot=snapshot))
    return plan


def then(scene: Scene) -> Then:
    """Return the queue as the pass left it. Who others were stopped for waits until they have gone."""
    engine, plan = _passed(scene)
    there, starts = scene.snapshot, {start.job_id: start for start in plan.starts}
    begins = _begins(plan)
    return Then(
        at=there.now,
        nodes=there.nodes,
        active=(
            *there.active,
            *(begun(job, starts[job.job_id], there.now) for job in there.pending if job.job_id in begins),
        ),
        pending=tuple(job for job in there.pending if job.job_id not in begins),
        reasons={
            job.job_id: Reason.RESOURCES if job.job_id in starts else engine.reason(job.job_id)
            for job in there.pending
            if job.job_id not in begins
        },
    )


def _begins(plan: Decided) -> set[int]:
    """Return who starts at once: nobody has to leave first."""
    return {start.job_id for start in plan.starts} - {one.for_job for one in plan.preemptions}


def why_then(scene: Scene, job_id: int, gpu_kind: str) -> Why:
    """Return why a job did not start in the pass.

    Raises:
        NotFoundError: it did not wait then.
    """
    engine, plan = _passed(scene)
    at = clock(scene.snapshot.now)
    start = next((start for start in plan.starts if start.job_id == job_id), None)
    if start is not None:
        why = explain(engine, job_id, gpu_kind=gpu_kind)
        gone = ", ".join(str(one.job_id) for one in plan.preemptions if one.for_job == job_id)
        after = f" once job {gone} has gone, which was stopped for it" if gone else ""
        return replace(why, text=f"was started in the pass of {at}, on {', '.join(start.workers_by_node)}{after}.")
    if engine.is_pending(job_id):
        return explain(engine, job_id, gpu_kind=gpu_kind)
    running = next((job for job in scene.snapshot.active if job.job_id == job_id), None)
    if running is None:
        raise NotFoundError(f"Job {job_id} neither waited nor ran at {at}.")
    return Why(
        job_id=job_id,
        state=JobState.RUNNING,
        reason=None,
        text=f"held {running.gpus} GPUs on {', '.join(running.gpus_by_node)} since {clock(running.started_at)}.",
        needs_gpus=running.gpus,
        free_gpus=0,
        total_gpus=sum(node.gpus for node in scene.snapshot.nodes),
    )


def _passed(scene: Scene) -> tuple[Engine, Decided]:
    engine = engine_for(scene.snapshot)
    if isinstance(engine, TieredEngine):
        for job in scene.reserved.values():
            engine.reserve(job)
    return engine, decided_of(engine.plan(scene.snapshot.now))


def _rules(rules: Rules, policy: str) -> Rules:
    ordered = replace(rules, weights=_NO_WEIGHTS, guard_after_s=None, tiers=None, idle_budget=1.0)
    match policy:
        case "multifactor":
            return replace(rules, tiers=None)
        case "tiered" | "fair-first":
            tiers = Tiers() if rules.tiers is None else rules.tiers
            return replace(rules, tiers=replace(tiers, is_governed=policy == "fair-first"))
        case "fifo-best-effort":
            return replace(ordered, promises=0)
        case "easy":
            return replace(ordered, promises=1)
        case "conservative":
            return replace(ordered, promises=64)
        case _:
            names = ", ".join(POLICIES)
            raise UsageError(f"There is no policy '{fit(clean(policy), 40)}' for what was: use {names}.")
