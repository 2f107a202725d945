"""The policy with a memory: the same plan as `plan(snapshot)`, without looking at every job each time.

Changes go in as they happen; a pass then looks at the head of each line of like jobs, and at those behind it
only while one of them may start or be promised something.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from heapq import heapify, heappop, heappush, heapreplace
from math import inf, isfinite

from gpuq.models import PriorityTerm, Reason
from gpuq_daemon.policy.conditions import next_change, unmet
from gpuq_daemon.policy.dependency import Fate, Kind
from gpuq_daemon.policy.fairtree import Shares
from gpuq_daemon.policy.gang import Gang
from gpuq_daemon.policy.limits import Block, Counts, Owner, Scope
from gpuq_daemon.policy.line import Ahead, Cursor, Line
from gpuq_daemon.policy.names import Names
from gpuq_daemon.policy.plan import facts_of
from gpuq_daemon.policy.priority import Key, Ranking
from gpuq_daemon.policy.room import Room
from gpuq_daemon.policy.snapshot import ActiveJob, PendingJob, Plan, Promise, Snapshot
from gpuq_daemon.policy.tiers.settings import TierState
from gpuq_daemon.policy.walk import Memory, Seen, Shape, Walk

LineKey = tuple[Shape, int | None]


class Engine:
    """Pending and active jobs with their indexes.

    Call `submit`, `update`, `remove`, `begin`, `end` and `fate` as jobs change, `recalculate` when shares are
    computed anew, `reset` when nodes, rules or reservations change, and `plan` for a pass.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.reset(snapshot)

    # --- the world

    def reset(self, snapshot: Snapshot) -> None:
        """Take everything from a snapshot."""
        self._world = replace(snapshot, pending=(), active=(), fates={}, promises={})
        self._pending = {job.job_id: job for job in snapshot.pending}
        self._active = {job.job_id: job for job in snapshot.active}
        self._fates = dict(snapshot.fates)
        self._promises: Mapping[int, Promise] = dict(snapshot.promises)
        self._promised = self._promises  # by the last pass, be it in thought only
        self._walk: Walk | None = None
        self._stopped: list[tuple[Line, Owner]] = []
        self._memory = Memory()
        self._names = Names()
        self._dependents: dict[int, set[int]] = {}
        for job in (*snapshot.pending, *snapshot.active):
            self._names.add(job.user, job.name, job.job_id)
        for job in snapshot.pending:
            self._note_dependencies(job)
        self._facts = facts_of(replace(snapshot, fates=self._fates))
        rules = snapshot.rules
        self._room = Room(snapshot.nodes, billing=rules.billing, reservations=snapshot.reservations)
        for active in snapshot.active:
            self._room.hold_active(active)
        self._arrange()

    def recalculate(self, shares: Shares, used_gpu_s: Mapping[Scope, float]) -> None:
        """Put the queue in the order of new shares."""
        self._settle()
        self._world = replace(self._world, shares=shares, used_gpu_s=used_gpu_s)
        self._reorder()

    def set_stopped(self, *, down: Mapping[str, str], placing: Mapping[str, int]) -> None:
        """Note which partitions' engines do not work, and which are just placing a job."""
        self._settle()
        self._world = replace(self._world, down=dict(down), placing=dict(placing))

    def snapshot(self, now: float) -> Snapshot:
        """Return what the engine knows as a value; `plan` of it is what `Engine.plan` would say."""
        return replace(
            self._world,
            now=now,
            pending=tuple(self._pending.values()),
            active=tuple(self._active.values()),
            fates=dict(self._fates),
            promises=dict(self._promises),
        )

    def remembered(self) -> tuple[Mapping[int, Promise], TierState]:
        """Return what the next pass is handed by those before: promises, and the state of the tiers."""
        return self._promises, self._world.tiers

    def reserved(self) -> Mapping[int, ActiveJob]:
        """Return what is kept for pending jobs that others were stopped for, by job."""
        return {}

    # --- jobs

    def submit(self, job: PendingJob) -> None:
        """Add a job. The fates of what it depends on must have been told by `fate`."""
        self._settle()
        self._pending[job.job_id] = job
        self._note_dependencies(job)
        self._check_again(self._names.add(job.user, job.name, job.job_id))
        self._place(job)

    def update(self, job: PendingJob) -> None:
        """Replace a pending job by a changed one. A promise made to it stands if it still fits."""
        promise = self._promises.get(job.job_id)
        self.remove(job.job_id)
        self.submit(job)
        if promise is not None:
            self._promises = {**self._promises, job.job_id: promise}

    def remove(self, job_id: int) -> None:
        """Drop a pending job: cancelled, or gone. One that is not pending is left alone."""
        self._settle()
        job = self._pending.get(job_id)
        if job is None:
            return
        self._leave_queue(job)
        self._check_again(self._names.remove(job.user, job.name, job_id))

    def begin(self, job: ActiveJob) -> None:
        """Turn a pending job into one that holds GPUs."""
        self._settle()
        pending = self._pending.get(job.job_id)
        if pending is None:
            self._check_again(self._names.add(job.user, job.name, job.job_id))
        else:
            self._leave_queue(pending)
        self._active[job.job_id] = job
        self._room.hold_active(job)
        self._counts.add(job.owner, job.gpus, since=job.started_at, until=job.until)
        if job.job_id in self._dependents:
            self.fate(job.job_id, Fate.STARTED)

    def end(self, job_id: int, fate: Fate) -> None:
        """Give back what an active job held."""
        self._settle()
        job = self._active.pop(job_id, None)
        if job is not None:
            self._give_back(job)
        if job_id in self._dependents:
            self.fate(job_id, fate)

    def stop(self, job_id: int) -> None:
        """Give back what an active job held that is to wait again, or to run elsewhere. Others wait for it still."""
        self._settle()
        job = self._active.pop(job_id, None)
        if job is not None:
            self._give_back(job)

    def _give_back(self, job: ActiveJob) -> None:
        self._room.release(job.job_id)
        self._counts.add(job.owner, job.gpus, since=job.started_at, until=job.until, sign=-1)
        self._unpark(row.scope for row in self._counts.rows(job.owner))
        self._check_again(self._names.remove(job.user, job.name, job.job_id))

    def saved(self, job_id: int, at: float) -> None:
        """Note when an active job last saved what it has done: stopping it costs what came after."""
        self._settle()
        job = self._active.get(job_id)
        if job is not None:
            self._active[job_id] = replace(job, saved_at=at)

    def fate(self, job_id: int, fate: Fate) -> None:
        """Note what became of a job, or an array, that others wait for, or will."""
        self._settle()
        self._fates[job_id] = fate
        self._check_again(self._dependents.get(job_id, ()))

    def has_dependents(self, targets: Iterable[int]) -> bool:
        """Return whether pending jobs wait for one of these jobs or arrays."""
        return any(target in self._dependents for target in targets)

    def next_due(self, now: float) -> float:
        """Return when time alone next changes who may start where: by jobs' own times, or those of reservations."""
        edges = (edge for one in self._world.reservations for edge in (one.start_at, one.end_at) if edge > now)
        return min(self._timers[0][0] if self._timers else inf, min(edges, default=inf))

    # --- a pass

    def plan(self, now: float) -> Plan:
        """Return what to do now. Reasons are found when asked for, until the next change."""
        self._settle()
        self._now(now)
        walk = self._walk = Walk(self._room, self._counts, self._world.rules, now=now, memory=self._memory)
        self._go(walk, self._keep_promises(walk))
        return self._told(walk)

    def think(self, now: float) -> Plan:
        """Decide as `plan` does, for what is asked about it: the next pass does not know what this one promises.

        What it starts would else begin some milliseconds later than it thought, be in the way of what it promised
        to those behind, and wait for them.
        """
        made = self._promises
        decided = self.plan(now)
        self._promises = made
        return decided

    def _told(self, walk: Walk) -> Plan:
        self._promised = self._promises = walk.promises()
        started = frozenset(start.job_id for start in walk.starts)
        return Plan(
            starts=tuple(walk.starts),
            reasons=_Reasons(self, started),
            promises=self._promises,
            expired=tuple(sorted(self._late)),
        )

    def reason(self, job_id: int) -> Reason:
        """Return why a pending job did not start in the last pass.

        Raises:
            KeyError: it is not pending.
        """
        job = self._pending[job_id]
        reason = self._waiting.get(job_id)
        if reason is not None:
            return reason
        stopped = self._world.stopped(job.partition)
        if stopped is not None or self._walk is None:
            return Reason.PRIORITY if stopped is None else stopped
        return self._walk.reason(job)

    def reasons(self) -> Iterator[tuple[int, Reason]]:
        """Go through the reasons of all pending jobs, like jobs at once."""
        yield from self._waiting.items()
        walk = self._walk
        special = set[int]() if walk is None else walk.special()
        for line in self._lines.values():
            for owner, bucket in line.buckets.items():
                # All of a bucket have one reason, but those with a promise and the first in line.
                is_common = walk is not None and self._world.stopped(line.shape[0]) is None
                common = walk.common_reason(owner, line.shape, line.time_limit_s) if walk and is_common else None
                for _, _, _, job_id in bucket:
                    if common is None or job_id in special:
                        yield job_id, self.reason(job_id)
                    else:
                        yield job_id, common

    def outlooks(self) -> Iterator[tuple[PendingJob, Reason, int]]:
        """Go through all pending jobs with why they wait and their priority, like jobs at once."""
        ranking, pending = self._ranking, self._pending
        bases: dict[tuple[str, str, str, str, Gang], int] = {}
        for job_id, reason in self.reasons():
            job = pending[job_id]
            alike = (job.user, job.account, job.qos, job.partition, job.gang)
            base = bases.get(alike)
            if base is None:
                points = ranking.size_points(job.partition, job.gang)
                base = bases[alike] = points + ranking.standing_points(job.owner, job.partition)
            yield job, reason, ranking.priority_with(job, base)

    def pending(self, job_id: int) -> PendingJob:
        """Return a job that waits.

        Raises:
            KeyError: it does not.
        """
        return self._pending[job_id]

    def is_pending(self, job_id: int) -> bool:
        """Return whether a job waits."""
        return job_id in self._pending

    def is_held(self, job_id: int) -> bool:
        """Return whether a job waits and somebody holds it."""
        job = self._pending.get(job_id)
        return job is not None and job.hold is not None

    def pending_ids(self) -> Iterable[int]:
        """Return the jobs that wait."""
        return self._pending.keys()

    # --- what explanations are made of

    def view(self) -> Snapshot:
        """Return the world without its jobs, as of the last pass, with the fates of what jobs wait for."""
        return replace(self._world, now=self._facts.now, fates=self._fates)

    def starts(self, job_id: int) -> bool:
        """Return whether the last pass starts a job."""
        return self._walk is not None and any(start.job_id == job_id for start in self._walk.starts)

    def promise(self, job_id: int) -> Promise | None:
        """Return the start that the last pass promised a job, if it did."""
        return self._promised.get(job_id)

    def terms(self, job_id: int) -> tuple[PriorityTerm, ...]:
        """Return the terms of a pending job's priority."""
        return self._ranking.terms(self._pending[job_id])

    def block(self, job_id: int) -> Block | None:
        """Return the limit that stops a pending job, or None."""
        return None if self._walk is None else self._walk.block(self._pending[job_id])

    def free_and_total(self, job: PendingJob) -> tuple[int, int]:
        """Return the free GPUs of the nodes a job may use, after the last pass, and all of them."""
        return self._room.free_and_total(job.partition, job.gang)

    def kept_from(self, job: PendingJob) -> int:
        """Return the GPUs that are free but kept for promised starts, on the nodes a job may use."""
        return sum(self._room.kept_idle(pool) for pool in self._room.pools(job.partition, job.gang))

    def ahead_of(self, job_id: int) -> Ahead:
        """Return the jobs of its partition that go before a job, may start and do not."""
        key = self._key(job_id)
        partition = self._pending[job_id].partition
        jobs, gpus, gpu_s = 0, 0, 0.0
        started = {start.job_id for start in self._walk.starts} if self._walk is not None else set[int]()
        for line in self._lines.values() if key is not None else ():
            if key is not None and line.shape[0] == partition:
                count = line.before(key)
                jobs, gpus = jobs + count, gpus + count * line.shape[2].gpus
                gpu_s += count * line.shape[2].gpus * line.limit_s if count else 0.0
        for one in (self._pending[other] for other in started):
            if key is not None and one.partition == partition and self._ranking.key(one) < key:
                jobs, gpus = jobs - 1, gpus - one.gpus
                gpu_s -= one.gpus * one.limit_s if isfinite(one.limit_s) else 0.0
        return Ahead(jobs=jobs, gpus=gpus, gpu_h=gpu_s / 3600 if gpu_s < inf else None)

    def active_in(self, job: PendingJob) -> Iterator[ActiveJob]:
        """Go through the active jobs on nodes a job may use."""
        for pool in self._room.pools(job.partition, job.gang):
            for _, job_id in pool.releases:
                if job_id in self._active:
                    yield self._active[job_id]

    def _keep_promises(self, walk: Walk) -> list[tuple[Key, int, PendingJob]]:
        kept: list[tuple[Key, int, PendingJob]] = []
        for promise in sorted(self._promises.values(), key=lambda one: (one.start_at, one.job_id)):
            key = self._key(promise.job_id)
            job = self._pending.get(promise.job_id)
            if key is None or job is None:
                continue
            if walk.keep(job, key, promise) and self._world.stopped(job.partition) is None:
                kept.append((key, 0, job))
        return kept

    def _go(self, walk: Walk, kept: list[tuple[Key, int, PendingJob]]) -> None:
        alone = {job.job_id for _, _, job in kept}
        stopped = self._world.stopped
        lines = enumerate(self._lines.values(), 1)
        heap: list[tuple[Key, int, PendingJob | Line | Cursor]] = [
            (line.heads[0][0], number, line) for number, line in lines if line.heads and stopped(line.shape[0]) is None
        ]
        heap += kept
        heapify(heap)
        while heap:
            key, number, where = heap[0]
            if isinstance(where, PendingJob):
                heappop(heap)
                walk.visit(where, key)
                continue
            line = where.line if isinstance(where, Cursor) else where
            if walk.is_over(line.shape, line.limit_s):
                heappop(heap)
                continue
            cursor = where if isinstance(where, Cursor) else Cursor(where)
            if not self._step(walk, cursor, key, alone) or (following := cursor.peek()) is None:
                heappop(heap)
            else:
                heapreplace(heap, (following, number, cursor))

    def _step(self, walk: Walk, cursor: Cursor, key: Key, alone: set[int]) -> bool:
        """Look at the next job of a line; return whether those behind it are worth a look."""
        owner, place = cursor.take()
        if key[3] in alone:
            cursor.follow(owner, place)
            return True
        match walk.visit(self._pending[key[3]], key):
            case Seen.IMPOSSIBLE:
                return False
            case Seen.LIMITED:
                self._stopped.append((cursor.line, owner))
                return True
            case Seen.STARTED | Seen.BLOCKED:
                cursor.follow(owner, place)
                return True

    # --- indexes

    def _arrange(self) -> None:
        """Build lines and timers anew."""
        self._ranking = self._counted()
        self._lines: dict[LineKey, Line] = {}
        self._waiting: dict[int, Reason] = {}
        self._late: set[int] = set()
        self._timers: list[tuple[float, int]] = []
        buckets: dict[LineKey, dict[Owner, list[Key]]] = {}
        for job in self._pending.values():
            if self._may_start(job):
                key = self._ranking.key(job)
                buckets.setdefault(_line_key(job), {}).setdefault(job.owner, []).append(key)
        for line_key, owners in buckets.items():
            self._lines[line_key] = Line(*line_key)
            self._lines[line_key].fill(owners)

    def _reorder(self) -> None:
        """Give every job in line its new key; who may start does not change by it."""
        self._ranking = self._counted()
        ranking, pending = self._ranking, self._pending
        key_with = ranking.key_with
        for line in self._lines.values():
            partition, _, gang = line.shape
            size = ranking.size_points(partition, gang)
            for owner, bucket in line.buckets.items():
                base = size + ranking.standing_points(owner, partition)
                for i, (_, _, _, job_id) in enumerate(bucket):
                    bucket[i] = key_with(pending[job_id], base)
            line.fill(line.buckets)

    def _counted(self) -> Ranking:
        world = self._world
        self._parked: dict[Scope, set[tuple[LineKey, Owner]]] = {}
        self._counts = Counts(world.rules.limits, world.used_gpu_s, world.shares.at)
        for active in self._active.values():
            self._counts.add(active.owner, active.gpus, since=active.started_at, until=active.until)
        return Ranking(world.rules, world.shares, world.nodes)

    def _may_start(self, job: PendingJob) -> bool:
        """Note why a job may not start, and when that may change; return whether it may."""
        is_alone = not _is_singleton(job) or self._names.is_first(job.user, job.name, job.job_id)
        reason = unmet(job, self._facts, is_alone=is_alone)
        if reason is None:
            self._waiting.pop(job.job_id, None)
        else:
            self._waiting[job.job_id] = reason
        if reason is Reason.DEADLINE:
            self._late.add(job.job_id)
        else:
            self._late.discard(job.job_id)
        if job.begin_at is not None or job.deadline is not None or job.reservation is not None:
            change = next_change(job, self._facts)
            if change < inf:
                heappush(self._timers, (change, job.job_id))
        return reason is None

    def _key(self, job_id: int) -> Key | None:
        """Return the key of a pending job that may start, None for all others."""
        job = self._pending.get(job_id)
        return None if job is None or job_id in self._waiting else self._ranking.key(job)

    def _place(self, job: PendingJob) -> None:
        if self._may_start(job):
            key = self._ranking.key(job)
            line_key = _line_key(job)
            line = self._lines.get(line_key)
            if line is None:
                line = self._lines[line_key] = Line(*line_key)
            line.add(job.owner, key)

    def _unplace(self, job: PendingJob) -> None:
        key = self._key(job.job_id)
        if key is not None:
            line_key = _line_key(job)
            line = self._lines[line_key]
            line.remove(job.owner, key)
            if not line.buckets:
                del self._lines[line_key]
        self._waiting.pop(job.job_id, None)
        self._late.discard(job.job_id)

    def _leave_queue(self, job: PendingJob) -> None:
        self._unplace(job)
        del self._pending[job.job_id]
        if job.job_id in self._promises:
            self._promises = {i: one for i, one in self._promises.items() if i != job.job_id}
        for target in {target for one in job.dependencies for target in one.targets}:
            self._dependents[target].discard(job.job_id)
            if not self._dependents[target]:
                del self._dependents[target]
                self._fates.pop(target, None)

    def _note_dependencies(self, job: PendingJob) -> None:
        for one in job.dependencies:
            for target in one.targets:
                self._dependents.setdefault(target, set()).add(job.job_id)

    def _check_again(self, job_ids: Iterable[int]) -> None:
        for job_id in list(job_ids):
            job = self._pending.get(job_id)
            if job is not None and (job.dependencies or job_id in self._waiting):
                self._unplace(job)
                self._place(job)

    def _now(self, now: float) -> None:
        """Look again at those for whom time was all that stood in the way, or stands now."""
        self._facts = replace(self._facts, now=now)
        due: set[int] = set()
        while self._timers and self._timers[0][0] <= now:
            due.add(heappop(self._timers)[1])
        for job_id in sorted(due):
            job = self._pending.get(job_id)
            if job is not None:
                self._unplace(job)
                self._place(job)

    def _settle(self) -> None:
        """Take back what the last pass only thought of, and leave out whom limits stop until they change."""
        if self._walk is None:
            return
        self._walk.undo()
        self._walk = None
        for line, owner in self._stopped:
            bucket = line.buckets.get(owner)
            if bucket is None or owner in line.parked:
                continue
            gpus, seconds = line.shape[2].gpus, line.time_limit_s
            block = self._counts.block(owner, gpus, seconds, end=None)
            if block is not None:
                # While that one limit is reached nothing else matters: wait for an end in its scope.
                line.park(owner)
                self._parked.setdefault(block.scope, set()).add(((line.shape, line.time_limit_s), owner))
        self._stopped.clear()

    def _unpark(self, scopes: Iterable[Scope]) -> None:
        for scope in scopes:
            for line_key, owner in self._parked.pop(scope, ()):
                line = self._lines.get(line_key)
                if line is not None:
                    line.unpark(owner)


class _Reasons(Mapping[int, Reason]):
    """The reasons of a plan, each found when it is asked for."""

    def __init__(self, engine: Engine, started: frozenset[int]) -> None:
        self._engine = engine
        self._started = started

    def __getitem__(self, job_id: int) -> Reason:
        if job_id in self._started:
            raise KeyError(job_id)
        return self._engine.reason(job_id)

    def __iter__(self) -> Iterator[int]:
        return (job_id for job_id in self._engine.pending_ids() if job_id not in self._started)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _line_key(job: PendingJob) -> LineKey:
    return (job.partition, job.reservation, job.gang), job.time_limit_s


def _is_singleton(job: PendingJob) -> bool:
    return bool(job.dependencies) and any(one.kind is Kind.SINGLETON for one in job.dependencies)
