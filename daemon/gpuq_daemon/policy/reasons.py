"""Why a pending job waits: its one reason with the arithmetic, as one sentence for every view."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import inf, isfinite
from typing import assert_never

from gpuq.models import Holder, JobState, PriorityTerm, Reason, Why
from gpuq.units import servers
from gpuq_daemon.policy.conditions import latest_start
from gpuq_daemon.policy.dependency import Dependency, Fate, Kind, Standing, standing
from gpuq_daemon.policy.engine import Engine
from gpuq_daemon.policy.fairtree import Share
from gpuq_daemon.policy.limits import Block
from gpuq_daemon.policy.line import Ahead
from gpuq_daemon.policy.snapshot import ActiveJob, PendingJob, Snapshot

_MOST_HOLDERS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """All that the sentence about a job is made of."""

    job: PendingJob
    snapshot: Snapshot
    reason: Reason | None
    gpu_kind: str
    free: int
    total: int
    ahead: Ahead
    holders: tuple[Holder, ...]
    start_at: float | None
    kept: int
    block: Block | None = None


def explain(source: Engine | Snapshot, job_id: int, *, gpu_kind: str = "GPU") -> Why:
    """Return why the pending job does not start now.

    `source` is the engine after a pass, or a snapshot, for which a pass is made here.

    Raises:
        KeyError: the job is not pending.
    """
    if isinstance(source, Snapshot):
        engine = Engine(source)
        engine.plan(source.now)
        return explain(engine, job_id, gpu_kind=gpu_kind)
    case = _case(source, job_id, gpu_kind)
    return Why(
        job_id=job_id,
        state=JobState.PENDING,
        reason=case.reason,
        text=sentence(case),
        needs_gpus=case.job.gpus,
        free_gpus=case.free,
        total_gpus=case.total,
        jobs_ahead=case.ahead.jobs,
        gpus_ahead=case.ahead.gpus,
        gpu_h_ahead=case.ahead.gpu_h,
        held_by=case.holders,
        start_at=case.start_at,
        priority=sum(term.points for term in source.terms(job_id)),
        terms=source.terms(job_id),
        share_text=share_sentence(case.snapshot, case.job),
    )


def without_others(why: Why, user: str) -> Why:
    """Return the same without what only other users may know: their names and their jobs' numbers."""
    others = [holder for holder in why.held_by if holder.user != user]
    text = why.text
    for holder in others:
        text = text.replace(_held(holder), _held(holder, is_named=False))
    return replace(why, text=text, held_by=tuple(holder for holder in why.held_by if holder.user == user))


def _case(engine: Engine, job_id: int, gpu_kind: str) -> Case:
    job, snapshot = engine.pending(job_id), engine.view()
    reason = None if engine.starts(job_id) else engine.reason(job_id)
    promise = engine.promise(job_id)
    free, total = engine.free_and_total(job)
    holders = tuple(_holders(engine.active_in(job), promise.workers_by_node if promise else None))
    return Case(
        job=job,
        snapshot=snapshot,
        reason=reason,
        gpu_kind=gpu_kind,
        free=free,
        total=total,
        ahead=engine.ahead_of(job_id),
        holders=holders,
        start_at=promise.start_at if promise is not None and isfinite(promise.start_at) else None,
        kept=engine.kept_from(job),
        block=engine.block(job_id),
    )


def _holders(active: Iterable[ActiveJob], nodes: Iterable[str] | None) -> list[Holder]:
    """Who has the GPUs the job waits for: on the nodes promised to it, else on all it could have; first end first."""
    wanted = None if nodes is None else set(nodes)
    holding = [job for job in active if wanted is None or not wanted.isdisjoint(job.gpus_by_node)]
    holding.sort(key=lambda job: (inf if job.until is None else job.until, job.job_id))
    return [Holder(job_id=job.job_id, user=job.user, gpus=job.gpus, until=job.until) for job in holding]


def sentence(case: Case) -> str:
    """Return the one sentence that says why."""
    job, snapshot = case.job, case.snapshot
    match case.reason:
        case None:
            return "starts in the next pass."
        case Reason.ENGINE_DOWN:
            return f"its partition starts nothing now: {snapshot.down[job.partition].rstrip('.')}."
        case Reason.PRIORITY:
            return _behind(case)
        case Reason.RESOURCES:
            return _placing(case) if job.partition in snapshot.placing else _short(case)
        case Reason.HELD_BY_USER:
            return "held by its user: release it with `gpuq release`."
        case Reason.HELD_BY_ADMIN:
            return "held by an administrator, who alone can release it."
        case Reason.DEPENDENCY | Reason.DEPENDENCY_NEVER:
            return _dependent(case)
        case Reason.BEGIN_TIME:
            return f"may not start before {clock(job.begin_at or 0.0)}."
        case Reason.DEADLINE:
            return f"had to start by {clock(latest_start(job))} to meet its deadline: it will not start any more."
        case Reason.RESERVATION:
            return _reserved(case)
        case Reason.NODES_UNAVAILABLE:
            return _unavailable(case)
        case (
            Reason.ARRAY_THROTTLE
            | Reason.ASSOC_GPUS
            | Reason.ASSOC_JOBS
            | Reason.ASSOC_GPU_TIME
            | Reason.QOS_GPUS
            | Reason.QOS_JOBS
            | Reason.QOS_GPU_TIME
            | Reason.QOS_USER_GPUS
            | Reason.QOS_USER_JOBS
            | Reason.QOS_USER_GPU_TIME
        ):
            return f"{case.block.text}." if case.block is not None else "a limit is reached."
        case _:
            assert_never(case.reason)


def share_sentence(snapshot: Snapshot, job: PendingJob) -> str | None:
    """Return how the job's account and user stand, None where there are no shares."""
    account = snapshot.shares.accounts.get(job.account)
    user = snapshot.shares.users.get((job.account, job.user))
    parts = [
        f"{name} used {share.used:.0%} of its level, {share.due:.0%} are due"
        for name, share in ((job.account, account), (job.user, user))
        if share is not None and _competes(share)
    ]
    if user is None or user.rank is None:
        return "; ".join(parts) or None
    return "; ".join((*parts, f"rank {len(snapshot.shares.users) - user.rank + 1} of {len(snapshot.shares.users)}"))


def priority_sentence(terms: Iterable[PriorityTerm]) -> str:
    """Return a priority as the sum of its terms."""
    terms = tuple(terms)
    parts = " + ".join(f"{term.name} {term.points}" for term in terms)
    return f"{sum(term.points for term in terms)} = {parts}"


def clock(at: float) -> str:
    """Return a moment as local time, with the day."""
    return f"{datetime.fromtimestamp(at, UTC).astimezone():%Y-%m-%d %H:%M:%S}"


def _behind(case: Case) -> str:
    ahead = case.ahead
    if not ahead.jobs:
        return "is looked at again in the next pass."
    jobs = "1 job is" if ahead.jobs == 1 else f"{ahead.jobs} jobs are"
    hours = "" if ahead.gpu_h is None else f", at most {ahead.gpu_h:.1f} GPU-hours"
    kept = f", {case.kept} of these kept for promised starts" if case.kept else ""
    return f"{jobs} ahead, wanting {_gpus(ahead.gpus, case)}{hours}; {case.free} of {case.total} free{kept}."


def _placing(case: Case) -> str:
    placed, free = case.snapshot.placing[case.job.partition], f"{case.free} of {case.total} free"
    return f"needs {_shape(case)}, {free}; nothing starts here until Spark has placed job {placed}."


def _short(case: Case) -> str:
    start = f"; starts by {clock(case.start_at)}" if case.start_at is not None else ""
    held = "; ".join(_held(holder) for holder in case.holders[:_MOST_HOLDERS])
    left = len(case.holders) - _MOST_HOLDERS
    ahead = f"; {case.ahead.jobs} {'job' if case.ahead.jobs == 1 else 'jobs'} ahead" if case.ahead.jobs else ""
    more = f" and {left} more {'job' if left == 1 else 'jobs'}" if left > 0 else ""
    return f"needs {_shape(case)}, {case.free} of {case.total} free{f': {held}{more}' if held else ''}{ahead}{start}."


def _shape(case: Case) -> str:
    gang = case.job.gang
    made = f"{gang.workers} x {gang.gpus_per_worker}" if gang.workers > 1 else ""
    where = f"on exactly {gang.nodes} nodes" if gang.nodes is not None else ""
    alone = "on nodes of its own" if gang.is_exclusive else ""
    model = f"model {' or '.join(gang.gpu_types)}" if gang.gpu_types else ""
    others = servers(gang.ps, evaluator=gang.evaluator)
    parts = ", ".join(filter(None, (made, model, where, alone)))
    return " and ".join((f"{_gpus(gang.gpus, case)}{f' ({parts})' if parts else ''}", *others))


def _held(holder: Holder, *, is_named: bool = True) -> str:
    until = "without a time limit" if holder.until is None else f"until {clock(holder.until)} at the latest"
    whose = f"job {holder.job_id} ({holder.user})" if is_named else "another user's job"
    return f"{whose} holds {holder.gpus} {until}"


def _dependent(case: Case) -> str:
    for one in case.job.dependencies:
        if one.kind is Kind.SINGLETON:
            if len(case.job.dependencies) == 1:
                return f"waits until every earlier job of {case.job.user} with the name {case.job.name} has ended."
            continue
        stands = standing(one, case.snapshot.fates)
        fates = case.snapshot.fates
        if stands is Standing.NEVER:
            culprit = next(t for t in one.targets if fates.get(t) in (Fate.OK, Fate.FAILED))
            culprit = next((t for t in one.targets if fates.get(t) is _spoils(one.kind)), culprit)
            how = "did not complete" if fates[culprit] is Fate.FAILED else "completed"
            return f"depends on {_named([culprit])} ({one.kind}), which {how}: it will never start."
        if stands is Standing.OPEN:
            open_ = [
                t for t in one.targets if standing(Dependency(kind=one.kind, targets=(t,)), fates) is Standing.OPEN
            ]
            more = f" and {len(open_) - 5} more" if len(open_) > 5 else ""
            return f"waits for {_named(open_[:5])}{more} ({one.kind})."
    return f"waits until every earlier job of {case.job.user} with the name {case.job.name} has ended."


def _named(targets: Sequence[int]) -> str:
    """Return jobs, and arrays, which are their ids below zero, as people say them."""
    kinds = (("job", [str(t) for t in targets if t > 0]), ("array", [str(-t) for t in targets if t < 0]))
    return " and ".join(f"{what if len(ids) == 1 else f'{what}s'} {', '.join(ids)}" for what, ids in kinds if ids)


def _spoils(kind: Kind) -> Fate:
    return Fate.OK if kind is Kind.AFTER_NOT_OK else Fate.FAILED


def _reserved(case: Case) -> str:
    name = case.job.reservation
    found = next((one for one in case.snapshot.reservations if one.name == name), None)
    if found is None or found.end_at <= case.snapshot.now:
        return f"the reservation {name} is over or gone: change or cancel the job."
    if not found.admits(case.job.user, case.job.account):
        return f"the reservation {name} is not for {case.job.user} in account {case.job.account}."
    return f"waits for the reservation {name}, which begins {clock(found.start_at)}."


def _unavailable(case: Case) -> str:
    gang, snapshot = case.job.gang, case.snapshot
    out = [
        node
        for node in snapshot.nodes
        if node.partition == case.job.partition and not node.takes_jobs and gang.takes(node.gpu_type)
    ]
    names = ", ".join(_out(node.name, node.drained) for node in out[:_MOST_HOLDERS])
    more = f" and {len(out) - _MOST_HOLDERS} more" if len(out) > _MOST_HOLDERS else ""
    wrong = f": {names}{more}" if out else ""
    return f"needs {_shape(case)}; the nodes that are in use now could not hold it even if they were free{wrong}."


def _out(name: str, drained: str | None) -> str:
    return f"{name} is down" if drained is None else f"{name} is drained ({drained})"


def _gpus(count: int, case: Case) -> str:
    return f"{count} {case.gpu_kind}{'' if count == 1 else 's'}"


def _competes(share: Share) -> bool:
    return share.level_fs is not None and isfinite(share.due)
