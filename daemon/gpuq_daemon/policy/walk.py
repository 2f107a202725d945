"""One pass over the queue in order: who starts, who is promised a start, who waits for what.

A job starts if it fits now and takes nothing that is promised to another. If not, up to a number of jobs in
each pool are promised the earliest start that takes nothing from the promises before: conservative backfill
for those, with nothing kept for the rest. A promise lasts until its job starts, and only moves forward.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from math import inf

from gpuq.models import Reason
from gpuq_daemon.policy.gang import Gang
from gpuq_daemon.policy.limits import Block, Counts, Owner
from gpuq_daemon.policy.priority import Key, tier
from gpuq_daemon.policy.room import OVERDUE_S, Pool, Room, Slot, Spot
from gpuq_daemon.policy.rules import Rules
from gpuq_daemon.policy.snapshot import PendingJob, Promise, Start
from gpuq_daemon.policy.spots import earliest, is_possible, slot_of, spot_now, spot_with

Shape = tuple[str, str | None, Gang]  # partition, reservation, gang


@dataclass(slots=True)
class Memory:
    """What one room's passes need not find out again: possible shapes, and why promises were kept as they were."""

    possible: dict[Shape, bool] = field(default_factory=dict[Shape, bool])
    kept_because: dict[int, object] = field(default_factory=dict[int, object])


class Seen(Enum):
    """What came of looking at a job."""

    STARTED = 1
    BLOCKED = 2
    LIMITED = 3
    IMPOSSIBLE = 4


class Walk:
    """The state of a pass. Jobs are to be visited in the order of their keys; `undo` takes all back.

    Whatever fails once in a pass is not tried again in it: a shape for as long or longer, a limit for the
    same owner, a pool without room for promises. So whole classes of jobs can be left out unseen.
    """

    def __init__(self, room: Room, counts: Counts, rules: Rules, *, now: float, memory: Memory) -> None:
        room.now = now
        room.changed.clear()
        self._versions = room.versions()
        self.now = now
        self.room = room
        self.counts = counts
        self.starts: list[Start] = []
        self._rules = rules
        self._possible = memory.possible
        self._kept_because = memory.kept_because
        self._started: list[PendingJob] = []
        self._promised: dict[int, tuple[PendingJob, int]] = {}
        self._failed: dict[Shape, float] = {}
        self._limited: set[tuple[Owner, Shape, int | None]] = set()
        self._closed: set[str] = set()
        self._unpromised: dict[Shape, float] = {}
        self._over: set[Shape] = set()
        self.first_blocked: dict[str, int] = {}
        self._slipped: list[tuple[Key, frozenset[int]]] = []

    # --- promises of the pass before

    def keep(self, job: PendingJob, key: Key, promise: Promise) -> bool:
        """Put a job's promise of the pass before where it was, if it still stands; return whether it does.

        It does not where one that goes before it, and starts earlier on the same nodes, has lost its own: a start
        that slips by seconds would otherwise put a job behind those that were to follow it.
        """
        spot = self._spot_of(job, promise)
        if spot is None or any(before < key and not nodes.isdisjoint(spot.workers) for before, nodes in self._slipped):
            return False
        # A start that is due now is kept as well: nobody may slip in between. If a job outlives its limit, the
        # promise holds for the moment it is gone.
        starts = (promise.start_at,) if promise.start_at > self.now else (self.now, self.now + OVERDUE_S)
        for start in starts:
            slot = slot_of(job.job_id, start, job.limit_s, spot)
            if self.room.still_stands(slot, job.reservation):
                self._put(job, key, slot)
                return True
        self._slipped.append((key, frozenset(spot.workers)))
        return False

    def _spot_of(self, job: PendingJob, promise: Promise) -> Spot | None:
        pools = [p for p in self.room.pools(job.partition, job.gang) if p.gpu_type == promise.gpu_type]
        number = self.room.number
        if not pools or any(name not in number for name in (*promise.workers_by_node, *promise.ps_by_node)):
            return None
        workers = {number[name]: count for name, count in promise.workers_by_node.items()}
        ps = {number[name]: count for name, count in promise.ps_by_node.items()}
        if sum(workers.values()) != job.gang.workers or sum(ps.values()) != job.gang.servers:
            return None  # the job was changed since
        return spot_with(self.room, pools[0], job.gang, workers, ps)

    # --- looking at one job

    def visit(self, job: PendingJob, key: Key) -> Seen:
        """Start the job, promise it a start, or leave it."""
        shape = (job.partition, job.reservation, job.gang)
        if not self.is_possible(shape):
            self._forget(job)
            return Seen.IMPOSSIBLE
        if self._is_limited(job, job.owner, shape):
            self._forget(job)
            return Seen.LIMITED
        own = self._forget(job)
        if own is not None or not self.has_failed(shape, job.limit_s):
            spot = spot_now(self.room, job.partition, job.gang, self.now + job.limit_s, job.reservation)
            if spot is not None:
                self._start(job, spot)
                return Seen.STARTED
            self._failed[shape] = min(self._least_failing(job), self._failed.get(shape, inf))
        self.first_blocked.setdefault(job.partition, job.job_id)
        if own is None:
            self._promise(job, key)
        else:
            self._renew(job, key, own)
        return Seen.BLOCKED

    def has_failed(self, shape: Shape, limit_s: float) -> bool:
        """Return whether a job of this shape and length, or shorter, did not fit earlier in the pass."""
        return shape in self._failed and limit_s >= self._failed[shape]

    def _least_failing(self, job: PendingJob) -> float:
        """Return from which length on the shape does not fit: 0 if even without all promises it does not."""
        # With an end of now nothing promised is in the way, only what runs.
        return job.limit_s if spot_now(self.room, job.partition, job.gang, self.now, job.reservation) else 0.0

    def is_over(self, shape: Shape, limit_s: float) -> bool:
        """Return whether nothing can come of looking at another job of this shape and length in this pass."""
        if shape in self._over:
            return True
        failed = self._failed.get(shape)
        if failed is None or limit_s < failed:
            return False
        if self.is_closed(shape[0], shape[2]):
            if failed == 0:
                self._over.add(shape)
            return True
        return self._never_promised(shape, limit_s)

    def _never_promised(self, shape: Shape, limit_s: float) -> bool:
        """Return whether no start could be promised earlier in the pass to such a job, or to a shorter one."""
        return shape in self._unpromised and limit_s >= self._unpromised[shape]

    def _may_be_promised(self, shape: Shape, limit_s: float) -> bool:
        """Return whether such a job of the usual tier may be promised a start yet in this pass."""
        return not self.is_closed(shape[0], shape[2]) and not self._never_promised(shape, limit_s)

    def is_closed(self, partition: str, gang: Gang) -> bool:
        """Return whether no pool of a gang gives promises any more in this pass."""
        closed = self._closed
        return all(pool.name in closed for pool in self.room.pools(partition, gang))

    def is_possible(self, shape: Shape) -> bool:
        """Return whether the nodes that take jobs could hold this shape if they were empty."""
        found = self._possible.get(shape)
        if found is None:
            partition, reservation, gang = shape
            found = self._possible[shape] = is_possible(self.room, partition, gang, reservation)
        return found

    def _is_limited(self, job: PendingJob, owner: Owner, shape: Shape) -> bool:
        if not self.counts.rows(owner):
            return False
        key = (owner, shape, job.time_limit_s)
        if key in self._limited:
            return True
        end = self.now + job.limit_s
        if self.counts.block(owner, job.gpus, job.time_limit_s, end=end, own=job.job_id) is None:
            return False
        self._limited.add(key)
        return True

    def _start(self, job: PendingJob, spot: Spot) -> None:
        self.room.hold(job.job_id, spot.takes, self.now + job.limit_s)
        self._count(job, 1)
        self._started.append(job)
        workers, ps = self._named(spot.workers), self._named(spot.ps)
        self.starts.append(
            Start(job_id=job.job_id, workers_by_node=workers, ps_by_node=ps, gpu_type=spot.pool.gpu_type)
        )

    def _count(self, job: PendingJob, sign: int) -> None:
        until = None if job.time_limit_s is None else self.now + job.time_limit_s
        self.counts.add(job.owner, job.gpus, since=self.now, until=until, sign=sign)

    # --- promising

    def _renew(self, job: PendingJob, key: Key, own: Slot) -> None:
        """Keep the promise, or give a better one."""
        pools = [p for p in self.room.pools(job.partition, job.gang) if p is own.spot.pool or self._is_open(p)]
        best = own
        state = (own, tuple((p.name, p.version, self._slots_in(p)) for p in pools))
        if self._kept_because.get(job.job_id) != state:
            found = self._earliest(job, pools, before=own.start)
            if found:
                best = slot_of(job.job_id, found[0][0], job.limit_s, found[0][1])
            else:
                # Time alone makes no start earlier: while this is so, there is no need to look again.
                self._kept_because[job.job_id] = state
        self._put(job, key, best)

    def _slots_in(self, pool: Pool) -> frozenset[tuple[int, float]]:
        return frozenset((job_id, self.room.slots[job_id].start) for job_id in pool.promised)

    def _promise(self, job: PendingJob, key: Key) -> None:
        if self.is_closed(job.partition, job.gang):
            return
        shape = (job.partition, job.reservation, job.gang)
        if tier(key) < 2:
            self._displace(job, key)
        elif self._never_promised(shape, job.limit_s):
            return
        if self.counts.block(job.owner, job.gpus, job.time_limit_s, end=inf, own=job.job_id) is not None:
            return  # what is promised to others of its owner would stop it
        pools = [pool for pool in self.room.pools(job.partition, job.gang) if self._is_open(pool)]
        found = self._earliest(job, pools)
        if not found and tier(key) == 2:
            # Never, behind what is promised without an end: so it is for all like it.
            self._unpromised[shape] = min(job.limit_s, self._unpromised.get(shape, inf))
        for start, spot in found:
            idle = self.room.kept_idle(spot.pool, spot.takes)
            if not spot.pool.promised or idle <= self._rules.idle_budget * spot.pool.gpus:
                self._put(job, key, slot_of(job.job_id, start, job.limit_s, spot))
                return
            self._closed.add(spot.pool.name)

    def _earliest(self, job: PendingJob, pools: list[Pool], *, before: float | None = None) -> list[tuple[float, Spot]]:
        room, gang, seconds = self.room, job.gang, job.limit_s
        tries = (earliest(room, pool, gang, seconds, job.reservation, before=before) for pool in pools)
        return sorted((one for one in tries if one is not None), key=lambda one: one[0])

    def _is_open(self, pool: Pool) -> bool:
        if pool.name not in self._closed and len(pool.promised) >= self._rules.promises:
            self._closed.add(pool.name)
        return pool.name not in self._closed

    def _displace(self, job: PendingJob, key: Key) -> None:
        """Who goes before everybody takes the place of promises to those behind."""
        for pool in self.room.pools(job.partition, job.gang):
            for other in sorted(pool.promised):
                behind, its_tier = self._promised[other]
                if its_tier > tier(key):
                    self._forget(behind)

    def _put(self, job: PendingJob, key: Key, slot: Slot) -> None:
        self.room.put(slot)
        self.counts.promise(job.job_id, job.owner, job.gpus, start=slot.start, seconds=job.time_limit_s)
        self._promised[job.job_id] = (job, tier(key))

    def _forget(self, job: PendingJob) -> Slot | None:
        slot = self.room.drop(job.job_id)
        if slot is not None:
            self.counts.forget(job.job_id, job.owner)
            del self._promised[job.job_id]
        return slot

    # --- what came of it

    def reason(self, job: PendingJob) -> Reason:
        """Return why a job that may start did not."""
        block = self.block(job)
        shape = (job.partition, job.reservation, job.gang)
        if block is None and self.is_special(job.job_id) and self.is_possible(shape):
            return Reason.RESOURCES
        return self.common_reason(job.owner, shape, job.time_limit_s, own=job.job_id)

    def common_reason(self, owner: Owner, shape: Shape, time_limit_s: int | None, *, own: int = 0) -> Reason:
        """Return why jobs of an owner, shape and length wait, if none is promised anything or the next."""
        if not self.is_possible(shape):
            return Reason.NODES_UNAVAILABLE
        if not self.counts.rows(owner):
            return Reason.PRIORITY
        end = inf if time_limit_s is None else self.now + time_limit_s
        block = self.counts.block(owner, shape[2].gpus, time_limit_s, end=end, own=own)
        return Reason.PRIORITY if block is None else block.reason

    def is_special(self, job_id: int) -> bool:
        """Return whether a job has a promise or is the first of its partition that waits for room."""
        return job_id in self._promised or job_id in self.first_blocked.values()

    def special(self) -> set[int]:
        """Return all jobs that `is_special` is true of."""
        return {*self._promised, *self.first_blocked.values()}

    def block(self, job: PendingJob) -> Block | None:
        """Return the limit that stops a job after all that the pass started and promised, or None."""
        end = self.now + job.limit_s
        return self.counts.block(job.owner, job.gpus, job.time_limit_s, end=end, own=job.job_id)

    def promises(self) -> Mapping[int, Promise]:
        """Return all promised starts, by job."""
        return {job_id: self._told(slot) for job_id, slot in sorted(self.room.slots.items())}

    def undo(self) -> None:
        """Take back all starts and promises: they come true when they are carried out."""
        for job in self._started:
            self.room.release(job.job_id)
            self._count(job, -1)
        self.room.restore(self._versions)
        for job_id in list(self.room.slots):
            self.room.drop(job_id)
        self.counts.forget_all()
        self._started.clear()

    def _told(self, slot: Slot) -> Promise:
        return Promise(
            job_id=slot.job_id,
            start_at=slot.start,
            gpu_type=slot.spot.pool.gpu_type,
            workers_by_node=self._named(slot.spot.workers),
            ps_by_node=self._named(slot.spot.ps),
        )

    def _named(self, by_node: Mapping[int, int]) -> dict[str, int]:
        return {self.room.names[node]: count for node, count in sorted(by_node.items())}
