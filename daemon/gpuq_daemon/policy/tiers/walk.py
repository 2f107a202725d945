"""One pass of the three tiers: who starts, who is stopped for it, who is moved out of the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from functools import partial
from math import inf

from gpuq_daemon.policy.limits import Counts, Owner
from gpuq_daemon.policy.room import Room, Slot, Spot, Take
from gpuq_daemon.policy.rules import Rules
from gpuq_daemon.policy.snapshot import ActiveJob, PendingJob, Preemption, Start
from gpuq_daemon.policy.spots import spot_now
from gpuq_daemon.policy.tiers.holders import Holders
from gpuq_daemon.policy.tiers.queue import Running
from gpuq_daemon.policy.tiers.settings import Tiers
from gpuq_daemon.policy.tiers.victims import MOVABLE_GPUS, Loose, Victim, choices, victim_of
from gpuq_daemon.policy.walk import Memory, Seen, Shape, Walk

_Kind = tuple[Shape, bool]
_USUAL = 2  # of the tiers of a key


class May(Enum):
    """What may be done for a waiting job: `NOT_YET` is nothing, because it has not waited long enough."""

    PREEMPT = 1
    NOT_YET = 2
    NOTHING = 3


class TierWalk(Walk):
    """A pass that may stop running jobs which nobody has claimed. Nobody is stopped unless somebody starts for it.

    A job that may be stopped again starts wherever there is room; one that may not keeps out of what is promised.
    """

    def __init__(
        self,
        room: Room,
        counts: Counts,
        rules: Rules,
        tiers: Tiers,
        active: Mapping[int, ActiveJob],
        holders: Holders,
        *,
        now: float,
        memory: Memory,
        has_fixed: bool,
    ) -> None:
        super().__init__(room, counts, rules, now=now, memory=memory)
        self._tiers = tiers
        self._active = active
        self._holders = holders
        self._has_fixed = has_fixed
        self._claimed: set[int] = set()
        self._loose: Loose | None = None
        self._movable: Loose | None = None  # with those that nobody has claimed
        self._plainly: dict[_Kind, float] = {}
        self._utterly: dict[_Kind, float] = {}
        self._undone: list[tuple[ActiveJob, float, tuple[Take, ...]]] = []
        self._moved: set[int] = set()
        self._begun: set[int] = set()
        self.preemptions: list[Preemption] = []
        self.claimed_gpus = 0

    # --- what runs

    def claim_fixed(self) -> None:
        """Let those stay who may not be stopped, or not yet."""
        for some in (self._holders.fixed, self._holders.young):
            self._claimed.update(some)
            self.claimed_gpus += sum(one.gpus for one in some.values())

    def claim(self, one: Running) -> bool:
        """Let a running job stay; return whether it is there still."""
        job_id = one.job_id
        if job_id in self._claimed:
            return True
        if self._loose is not None:
            if job_id not in self._loose:
                return False  # stopped
            self._loose.remove(job_id)
            if self._movable is not None and one.gpus > MOVABLE_GPUS:
                self._movable.remove(job_id)
        self._claimed.add(job_id)
        self.claimed_gpus += one.gpus
        return True

    def is_near(self, job: PendingJob) -> bool:
        """Return whether a job that finds no room would, once those have run long enough who may be stopped then."""
        loose = self._victims(self._holders.all.keys() - self._holders.fixed.keys())
        pools = self.room.pools(job.partition, job.gang)
        allows = partial(self._allows, job)
        return any(True for pool in pools for _ in choices(self.room, pool, job.gang, loose, allows))

    def _victims(self, job_ids: Iterable[int]) -> Loose:
        return Loose(self.room, (victim_of(self._active[job_id], self.now) for job_id in job_ids))

    # --- who waits

    def visit_with(self, job: PendingJob, owner: Owner, shape: Shape, may: May) -> Seen:
        """Start the job, if need be by stopping others, promise it a start, or leave it."""
        own = self.room.drop(job.job_id)
        if not self.is_possible(shape) or self._is_limited(job, owner, shape):
            self._let_go(job, own)
            return Seen.LIMITED if self.is_possible(shape) else Seen.IMPOSSIBLE
        kind = (shape, job.is_preemptible)
        spot = None
        if own is not None or not self._has(self._plainly, kind, job.limit_s):
            spot = self._spot(job)
            if spot is None:
                self._plainly[kind] = min(job.limit_s, self._plainly.get(kind, inf))
        if spot is None and may is May.PREEMPT and not self._has(self._utterly, kind, job.limit_s):
            spot = self._make_room(job)
            if spot is None:
                self._utterly[kind] = min(job.limit_s, self._utterly.get(kind, inf))
        if spot is not None:
            self._let_go(job, own)
            self._begin(job, spot)
            return Seen.STARTED
        self.note_blocked(job)
        if own is not None:
            self.room.put(own)
        elif self._has_fixed and self._may_be_promised(shape, job.limit_s):
            self.room.mind(slots=True)
            self._promise(job, (_USUAL, 0, job.submitted_at, job.job_id))
            self.room.mind(slots=False)
        return Seen.BLOCKED

    def note_blocked(self, job: PendingJob) -> None:
        """Note that a job waits for room, not for its turn, if it is the first of its partition."""
        self.first_blocked.setdefault(job.partition, job.job_id)

    def is_hopeless(self, kind: _Kind, limit_s: float) -> bool:
        """Return whether no job like this can start any more in this pass, whatever may be done for it."""
        return self._has(self._utterly, kind, limit_s)

    def has_begun(self, job_id: int) -> bool:
        """Return whether the pass starts a job."""
        return job_id in self._begun

    @staticmethod
    def _has(failed: Mapping[_Kind, float], kind: _Kind, limit_s: float) -> bool:
        return kind in failed and limit_s >= failed[kind]

    def _begin(self, job: PendingJob, spot: Spot) -> None:
        self._start(job, spot)
        self._begun.add(job.job_id)
        self.claimed_gpus += job.gpus

    def _spot(self, job: PendingJob) -> Spot | None:
        """Return where a job fits now: what is promised is kept from those that will not make way for it."""
        self.room.mind(slots=not job.is_preemptible)
        spot = spot_now(self.room, job.partition, job.gang, self.now + job.limit_s, job.reservation)
        self.room.mind(slots=False)
        return spot

    def _let_go(self, job: PendingJob, own: Slot | None) -> None:
        if own is not None:
            self.counts.forget(job.job_id, job.owner)
            del self._promised[job.job_id]

    # --- stopping and moving

    def _make_room(self, job: PendingJob) -> Spot | None:
        if not self._tiers.may_preempt:
            return None
        loose = self._loose
        if loose is None:
            loose = self._loose = self._victims(self._holders.all.keys() - self._claimed)
        return self._evict(job, loose) or (self._move(job, loose) if self._tiers.may_move else None)

    def _evict(self, job: PendingJob, loose: Loose) -> Spot | None:
        for pool in self.room.pools(job.partition, job.gang):
            for victims in choices(self.room, pool, job.gang, loose, lambda node: self._allows(job, node)):
                spot = self._try(job, victims, ())
                if spot is not None:
                    return spot
        return None

    def _move(self, job: PendingJob, loose: Loose) -> Spot | None:
        """Make room by moving small jobs elsewhere, those included that somebody has claimed."""
        if self._movable is None:
            self._movable = self._all_movable(loose)
        for pool in self.room.pools(job.partition, job.gang):
            for chosen in choices(self.room, pool, job.gang, self._movable, lambda node: self._allows(job, node)):
                stopped = [one for one in chosen if one.job.job_id in loose]
                moved = [one for one in chosen if one.job.job_id not in loose]
                spot = self._try(job, stopped, moved)
                if spot is not None:
                    return spot
        return None

    def _all_movable(self, loose: Loose) -> Loose:
        """Return all that may be stopped, the claimed ones only where they are small enough to be moved."""
        holders, active = self._holders, self._active
        gone = self._moved.union(one.job_id for one in self.preemptions)
        there = holders.all.keys() - holders.fixed.keys() - holders.young.keys() - gone
        return self._victims(
            job_id
            for job_id in there
            if (active[job_id].gang is not None if holders.all[job_id].gpus <= MOVABLE_GPUS else job_id in loose)
        )

    def _allows(self, job: PendingJob, node: int) -> bool:
        return self.room.allows(node, self.now, self.now + job.limit_s, job.reservation)

    def _try(self, job: PendingJob, stopped: Iterable[Victim], moved: Iterable[Victim]) -> Spot | None:
        """Take what victims hold, and see whether the job, and then those that move, fit; if not, give it back."""
        room = self.room
        held: list[tuple[Victim, float, tuple[Take, ...]]] = []
        for victim in (*stopped, *moved):
            until = inf if victim.job.until is None else victim.job.until
            held.append((victim, until, room.takes_of(victim.job.job_id)))
            room.release(victim.job.job_id)
        spot = self._spot(job)
        if spot is None:
            self._give_back(held)
            return None
        room.hold(job.job_id, spot.takes, inf)
        places = self._new_places([victim.job for victim in moved])
        room.release(job.job_id)
        if places is None:
            self._give_back(held)
            return None
        self._keep_what_fits(held, spot, places)
        self._note(job, held, places)
        return spot

    def _give_back(self, held: Iterable[tuple[Victim, float, tuple[Take, ...]]]) -> None:
        for victim, until, takes in held:
            self.room.hold(victim.job.job_id, takes, until)

    def _new_places(self, jobs: list[ActiveJob]) -> dict[int, Spot] | None:
        """Return where each fits with all before it there; they are left there."""
        places: dict[int, Spot] = {}
        for job in sorted(jobs, key=lambda one: (-one.gpus, one.job_id)):
            end = inf if job.until is None else job.until
            spot = None if job.gang is None else spot_now(self.room, job.partition, job.gang, end, job.reservation)
            if spot is None:
                for other in places:
                    self.room.release(other)
                return None
            self.room.hold(job.job_id, spot.takes, end)
            places[job.job_id] = spot
        return places

    def _keep_what_fits(
        self, held: list[tuple[Victim, float, tuple[Take, ...]]], spot: Spot, places: Mapping[int, Spot]
    ) -> None:
        """Let those stay that need not go after all."""
        room = self.room
        room.hold(-1, spot.takes, inf)
        for one in sorted(held, key=lambda one: one[0].cost, reverse=True):
            victim, until, takes = one
            if victim.job.job_id not in places and all(_has_room(room, take) for take in takes):
                room.hold(victim.job.job_id, takes, until)
                held.remove(one)
        room.release(-1)

    def _note(
        self, job: PendingJob, held: list[tuple[Victim, float, tuple[Take, ...]]], places: Mapping[int, Spot]
    ) -> None:
        for victim, until, takes in held:
            gone = victim.job
            self._undone.append((gone, until, takes))
            place = places.get(gone.job_id)
            if self._loose is not None and gone.job_id in self._loose:
                self._loose.forget(gone.job_id, takes)
            if self._movable is not None:
                self._movable.forget(gone.job_id, takes)
            if place is None:
                self._count_active(gone, -1)
                self.preemptions.append(Preemption(job_id=gone.job_id, for_job=job.job_id))
            else:
                self._moved.add(gone.job_id)
                self.preemptions.append(
                    Preemption(job_id=gone.job_id, for_job=job.job_id, moved=self._start_of(gone, place))
                )
        if held:
            self._plainly.clear()  # a victim may have left more room than was needed

    def _start_of(self, job: ActiveJob, spot: Spot) -> Start:
        workers, ps = self._named(spot.workers), self._named(spot.ps)
        return Start(job_id=job.job_id, workers_by_node=workers, ps_by_node=ps, gpu_type=spot.pool.gpu_type)

    def _count_active(self, job: ActiveJob, sign: int) -> None:
        self.counts.add(job.owner, job.gpus, since=job.started_at, until=job.until, sign=sign)

    def undo(self) -> None:
        """Take back all stops, moves, starts and promises."""
        self.room.mind(slots=True)
        for job in self._started:
            self.room.release(job.job_id)
            self._count(job, -1)
        self._started.clear()
        is_moved = {one.job_id for one in self.preemptions if one.moved is not None}
        for job, _, _ in self._undone:
            if job.job_id in is_moved:
                self.room.release(job.job_id)
            else:
                self._count_active(job, 1)
        for job, until, takes in self._undone:
            self.room.hold(job.job_id, takes, until)
        super().undo()


def _has_room(room: Room, take: Take) -> bool:
    g, c, m = room.free(take.node)
    return g >= take.gpus and c >= take.cpus and m >= take.memory
