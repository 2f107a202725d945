"""A queue played forward: the policy decides pass by pass in virtual time what becomes of a snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush
from itertools import chain
from math import inf
from random import Random

from gpuq_daemon.forecast.lengths import Lengths
from gpuq_daemon.forecast.packing import Run
from gpuq_daemon.forecast.usage_ahead import UsageAhead
from gpuq_daemon.policy.dependency import Fate
from gpuq_daemon.policy.making import engine_for
from gpuq_daemon.policy.snapshot import ActiveJob, Hold, PendingJob, Plan, Snapshot, Start
from gpuq_daemon.policy.starting import begun

_RECALCULATE = 4  # passes
_LOOK_AT_CLOCK = 16  # passes: what CPU time has gone costs as much as a pass where the kernel is slow


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How a replay goes. It ends `horizon_s` after the snapshot, or when all have started who waited then.

    Passes are `least_step_s` apart, and later as far as `coarse` of the time that has gone by, at most `most_step_s`:
    what is far away need not be known as exactly, but who has ended holds its GPUs until the next pass. There is none
    while nothing happens; where time alone changes what is decided, as patience and age do under tiers, there is one
    each `idle_s` even so. A restart after being stopped costs `restart_s`.
    """

    horizon_s: float = 14 * 86_400.0
    least_step_s: float = 10.0
    most_step_s: float = 1800.0
    coarse: float = 0.02
    idle_s: float = 60.0
    restart_s: float = 120.0
    half_life_s: float = 7 * 86_400.0


Change = Callable[[Snapshot], Snapshot]


class Replay:
    """One way that things may go. `starts` is when each job that waits in the snapshot starts first.

    All run times are drawn at once, by job: what is changed of a job or the cluster does not change them. `events` are
    changes of the world, each at its time.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        lengths: Lengths,
        come: Iterator[Run],
        rng: Random,
        course: Course | None = None,
        events: Sequence[tuple[float, Change]] = (),
    ) -> None:
        self._course = course or Course()
        self._began = snapshot.now
        self._now = snapshot.now
        self._engine = engine_for(replace(snapshot, placing={}))
        self._come = come
        self._next = next(come, None)
        self._ahead = UsageAhead(snapshot, self._course.half_life_s)
        self._waiting: dict[int, PendingJob] = {job.job_id: job for job in snapshot.pending}
        self._left = {job.job_id: lengths.of(job, rng) for job in snapshot.pending}
        self._events = sorted(events, key=lambda event: -event[0])
        self._running: dict[int, tuple[ActiveJob, float]] = {}  # with what a restart takes
        self._runs: dict[int, int] = {}
        self._members: dict[int, int] = {}
        for job in chain(snapshot.pending, snapshot.active):
            if job.array_id is not None:
                self._members[job.array_id] = self._members.get(job.array_id, 0) + 1
        self._ends: list[tuple[float, int, int]] = []
        for job in snapshot.active:
            self._running[job.job_id] = (job, 0.0)
            left = lengths.left(job, snapshot.now, rng)
            self._left[job.job_id] = left + max(0.0, snapshot.now - job.started_at)
            self._ends.append((snapshot.now + left, job.job_id, 0))
        heapify(self._ends)
        self._open = {job.job_id for job in snapshot.pending if job.hold is None}
        self.starts: dict[int, float] = {}
        self.ends: dict[int, float] = {}

    def run(self, enough: Callable[[], bool] = lambda: False, until: Callable[[], bool] | None = None) -> bool:
        """Go on until all have started, `until` says so, or the horizon; False if there was `enough` before that."""
        passes = 0
        while self._open and self._now - self._began <= self._course.horizon_s:
            if until is not None and until():
                return True
            if passes % _LOOK_AT_CLOCK == 0 and enough():
                return False
            self._happen()
            self._end()
            self._arrive()
            if passes % _RECALCULATE == 0:
                self._ahead.recalculate(self._engine, self._now)
            passes += 1
            plan = self._engine.plan(self._now)
            self._carry_out(plan)
            soon = self._later()
            self._now = soon if plan.starts or plan.preemptions else max(soon, self._next_change())
        return True

    def _later(self) -> float:
        """Return when to look next: not before anything happens."""
        course = self._course
        step = max(course.least_step_s, min(course.most_step_s, course.coarse * (self._now - self._began)))
        return self._now + step

    def _next_change(self) -> float:
        """Return when a pass may decide something again that has just decided nothing."""
        return min(
            self._ends[0][0] if self._ends else inf,
            inf if self._next is None else self._next.job.submitted_at,
            self._events[-1][0] if self._events else inf,
            self._engine.next_due(self._now),
            inf if self._ahead.rules.tiers is None else self._now + self._course.idle_s,
        )

    def _happen(self) -> None:
        while self._events and self._events[-1][0] <= self._now:
            _, change = self._events.pop()
            self._engine = engine_for(change(self._engine.snapshot(self._now)), self._engine)
            self._ahead.rules = self._engine.view().rules

    def _arrive(self) -> None:
        while self._next is not None and self._next.job.submitted_at <= self._now:
            run = self._next
            self._left[run.job.job_id] = run.ran_s
            self._waiting[run.job.job_id] = run.job
            self._engine.submit(run.job)
            self._next = next(self._come, None)

    def _end(self) -> None:
        while self._ends and self._ends[0][0] <= self._now:
            at, job_id, run = heappop(self._ends)
            if job_id not in self._running or self._runs.get(job_id, 0) != run:
                continue
            job, _ = self._running.pop(job_id)
            self._ahead.ended(job, at)
            self.ends[job_id] = at
            self._engine.end(job_id, Fate.OK)
            self._end_of_array(job)

    def _end_of_array(self, job: ActiveJob) -> None:
        if job.array_id is None:
            return
        self._members[job.array_id] = self._members.get(job.array_id, 1) - 1
        if self._members[job.array_id] <= 0 and self._engine.has_dependents((-job.array_id,)):
            self._engine.fate(-job.array_id, Fate.OK)

    def _carry_out(self, plan: Plan) -> None:
        moved: list[Start] = []
        for one in plan.preemptions:
            self._stop(one.job_id, waits=one.moved is None)
            if one.moved is not None:
                moved.append(one.moved)
        for job_id in plan.expired:
            self._engine.remove(job_id)
            self._waiting.pop(job_id, None)
            self._open.discard(job_id)
        for start in chain(plan.starts, moved):
            self._start(start)

    def _stop(self, job_id: int, *, waits: bool) -> None:
        job, overhead = self._running.pop(job_id)
        ran = self._now - job.started_at
        self._left[job_id] = max(1.0, self._left[job_id] - max(0.0, ran - overhead))
        self._runs[job_id] = self._runs.get(job_id, 0) + 1
        again = waiting_again(job, self._now)
        self._ahead.ended(job, self._now)
        self._engine.stop(job_id)
        self._waiting[job_id] = again
        if waits:
            self._engine.submit(again)

    def _start(self, start: Start) -> None:
        job = self._waiting.pop(start.job_id)
        if start.job_id in self._open:
            self._open.discard(start.job_id)
            self.starts[start.job_id] = self._now
        overhead = self._course.restart_s if job.past.preempted else 0.0
        active = begun(job, start, self._now)
        self._running[start.job_id] = (active, overhead)
        self._engine.begin(active)
        self._ahead.began(active, start)
        heappush(
            self._ends, (self._now + overhead + self._left[start.job_id], start.job_id, self._runs.get(start.job_id, 0))
        )


def waiting_again(job: ActiveJob, now: float) -> PendingJob:
    """Return a job that was stopped for another as it waits now."""
    assert job.gang is not None
    ran = now - job.started_at
    past = replace(
        job.past,
        ran_s=job.past.ran_s + ran,
        attained_gpu_s=job.past.attained_gpu_s + ran * job.gpus,
        preempted=job.past.preempted + 1,
        stopped_at=now,
    )
    return PendingJob(
        job_id=job.job_id,
        user=job.user,
        partition=job.partition,
        submitted_at=job.started_at if job.submitted_at is None else job.submitted_at,
        gang=job.gang,
        account=job.account,
        qos=job.qos,
        name=job.name,
        time_limit_s=None if job.until is None else max(1, round(job.until - job.started_at)),
        reservation=job.reservation,
        array_id=job.array_id,
        throttle=job.throttle,
        is_preemptible=job.is_preemptible,
        past=past,
    )


def is_startable(job: PendingJob) -> bool:
    """Return whether a start can be spoken of: nobody holds the job."""
    return job.hold not in (Hold.USER, Hold.ADMIN)
