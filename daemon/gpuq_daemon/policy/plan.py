"""Who starts now, as a pure function: the definition that the engine's shortcuts are held to."""

from __future__ import annotations

from collections.abc import Mapping

from gpuq.models import Reason
from gpuq_daemon.policy.conditions import Facts, unmet
from gpuq_daemon.policy.limits import Counts
from gpuq_daemon.policy.priority import Key, Ranking
from gpuq_daemon.policy.room import Room
from gpuq_daemon.policy.snapshot import PendingJob, Plan, Snapshot
from gpuq_daemon.policy.walk import Memory, Walk


def plan(snapshot: Snapshot) -> Plan:
    """Return the gangs to start now, the promises, and the one reason of every job that stays."""
    ready, reasons = sorted_out(snapshot)
    walk = walk_of(snapshot)
    jobs = {job.job_id: (key, job) for key, job in ready}
    for promise in sorted(snapshot.promises.values(), key=lambda one: (one.start_at, one.job_id)):
        if promise.job_id in jobs:
            key, job = jobs[promise.job_id]
            walk.keep(job, key, promise)
    for key, job in ready:
        if snapshot.stopped(job.partition) is None:
            walk.visit(job, key)
    started = {start.job_id for start in walk.starts}
    for _, job in ready:
        if job.job_id not in started:
            reasons[job.job_id] = snapshot.stopped(job.partition) or walk.reason(job)
    return Plan(
        starts=tuple(walk.starts),
        reasons=reasons,
        promises=walk.promises(),
        expired=tuple(sorted(job_id for job_id, reason in reasons.items() if reason is Reason.DEADLINE)),
    )


def sorted_out(snapshot: Snapshot) -> tuple[list[tuple[Key, PendingJob]], dict[int, Reason]]:
    """Return the jobs that may start, in order with their keys, and why the others may not."""
    ranking = Ranking(snapshot.rules, snapshot.shares, snapshot.nodes)
    facts = facts_of(snapshot)
    first = _first_of_name(snapshot)
    ready: list[tuple[Key, PendingJob]] = []
    reasons: dict[int, Reason] = {}
    for job in snapshot.pending:
        reason = unmet(job, facts, is_alone=first[job.user, job.name] == job.job_id)
        if reason is None:
            ready.append((ranking.key(job), job))
        else:
            reasons[job.job_id] = reason
    ready.sort(key=lambda one: one[0])
    return ready, reasons


def walk_of(snapshot: Snapshot) -> Walk:
    """Return a pass that has seen nobody yet: what runs is in its room and counts."""
    rules = snapshot.rules
    room = Room(snapshot.nodes, billing=rules.billing, reservations=snapshot.reservations)
    counts = Counts(rules.limits, snapshot.used_gpu_s, snapshot.shares.at)
    for job in snapshot.active:
        room.hold_active(job)
        counts.add(job.owner, job.gpus, since=job.started_at, until=job.until)
    return Walk(room, counts, rules, now=snapshot.now, memory=Memory())


def facts_of(snapshot: Snapshot) -> Facts:
    """Return what the jobs' conditions are about."""
    reservations = {one.name: one for one in snapshot.reservations}
    return Facts(now=snapshot.now, fates=snapshot.fates, reservations=reservations)


def _first_of_name(snapshot: Snapshot) -> Mapping[tuple[str, str], int]:
    first: dict[tuple[str, str], int] = {}
    for job in (*snapshot.pending, *snapshot.active):
        key = (job.user, job.name)
        first[key] = min(job.job_id, first.get(key, job.job_id))
    return first
