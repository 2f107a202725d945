"""The course of a trace in virtual time: jobs arrive and end, a policy decides, what it decides happens at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from typing import Protocol

from gpuq_daemon.policy.dependency import Fate
from gpuq_daemon.policy.snapshot import NO_PAST, ActiveJob, Past, PendingJob, Plan, Start
from gpuq_daemon.policy.starting import begun
from gpuq_daemon.simulate.meter import Meter
from gpuq_daemon.simulate.trace import TraceJob


class Decider(Protocol):
    """A policy: told what happens, asked what to do."""

    def submit(self, job: PendingJob) -> None:
        """Take up a job that waits."""
        ...

    def begin(self, job: ActiveJob) -> None:
        """A job runs."""
        ...

    def end(self, job_id: int, fate: Fate) -> None:
        """A job has ended."""
        ...

    def stop(self, job_id: int) -> None:
        """A job no longer runs where it did."""
        ...

    def plan(self, now: float) -> Plan:
        """Decide."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """When passes are made: `after_s` after a change at the earliest, and every `every_s` while somebody waits."""

    every_s: float = 600.0
    after_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What became of a job: when it ended, how long it ran, what of that restarts took, how often it was stopped."""

    job: TraceJob
    ended_at: float
    ran_s: float
    lost_s: float
    preempted: int
    first_at: float

    @property
    def jct_s(self) -> float:
        """From its submit to its end."""
        return self.ended_at - self.job.submit_s

    @property
    def wait_s(self) -> float:
        """Not running, between its submit and its end."""
        return max(0.0, self.jct_s - self.ran_s)


@dataclass(slots=True)
class _Going:
    """A job that has arrived and not ended."""

    trace: TraceJob
    pending: PendingJob
    left_s: float
    past: Past = NO_PAST
    active: ActiveJob | None = None
    run: int = 0
    overhead_s: float = 0.0
    lost_s: float = 0.0
    first_at: float = -1.0


class Course:
    """One trace under one policy. `heard` is told each plan, `at` the time before anything of it happens."""

    def __init__(
        self,
        jobs: Sequence[TraceJob],
        decider: Decider,
        meter: Meter,
        *,
        pending_of: Callable[[int, TraceJob], PendingJob],
        pace: Pace,
        restart_s: float,
        timer: Callable[[], float],
        heard: Callable[[int, float, Plan], None] = lambda _waiting, _at, _plan: None,
        at: Callable[[float], None] = lambda _at: None,
    ) -> None:
        self._jobs = jobs
        self._decider = decider
        self._meter = meter
        self._pending_of = pending_of
        self._pace = pace
        self._restart_s = restart_s
        self._timer = timer
        self._heard = heard
        self._at = at
        self._going: dict[int, _Going] = {}
        self._ends: list[tuple[float, int, int]] = []
        self._arrived = 0
        self._last_pass = -1e18
        self._is_changed = False
        self.now = 0.0
        self.waiting = 0
        self.pass_s: list[tuple[int, float]] = []  # how many waited, what the pass took
        self.ended: list[Ended] = []

    def run(self, told: Callable[[int, int], None] = lambda _done, _all: None) -> None:
        """Go through the whole trace; `told` hears how many jobs have ended, of all."""
        while len(self.ended) < len(self._jobs):
            at = self._next()
            if at is None:
                return  # what waits can never start
            self.now = at
            self._at(at)
            self._arrive()
            self._end()
            due = self._last_pass + (self._pace.after_s if self._is_changed else self._pace.every_s)
            if self.now >= due and (self.waiting or self._is_changed):
                self._pass()
            told(len(self.ended), len(self._jobs))

    def _next(self) -> float | None:
        """Return when something happens next."""
        times: list[float] = []
        if self._arrived < len(self._jobs):
            times.append(self._jobs[self._arrived].submit_s)
        if self._ends:
            times.append(self._ends[0][0])
        if self._is_changed:
            times.append(max(self.now, self._last_pass + self._pace.after_s))
        elif self.waiting and times:
            times.append(self._last_pass + self._pace.every_s)
        return min(times, default=None)

    def _arrive(self) -> None:
        while self._arrived < len(self._jobs) and self._jobs[self._arrived].submit_s <= self.now:
            trace = self._jobs[self._arrived]
            self._arrived += 1
            job_id = self._arrived
            job = self._pending_of(job_id, trace)
            self._going[job_id] = _Going(trace, job, trace.duration_s)
            self._meter.want(trace.account, trace.gpus, trace.submit_s)
            self._decider.submit(job)
            self.waiting += 1
            self._is_changed = True

    def _end(self) -> None:
        while self._ends and self._ends[0][0] <= self.now:
            at, job_id, run = heappop(self._ends)
            one = self._going.get(job_id)
            if one is None or one.run != run or one.active is None:
                continue
            self._account(one, at)
            self._decider.end(job_id, Fate.OK)
            self._meter.want(one.trace.account, -one.trace.gpus, at)
            del self._going[job_id]
            self._is_changed = True
            self.ended.append(
                Ended(
                    job=one.trace,
                    ended_at=at,
                    ran_s=one.past.ran_s,
                    lost_s=one.lost_s,
                    preempted=one.past.preempted,
                    first_at=one.first_at,
                )
            )

    def _account(self, one: _Going, at: float) -> None:
        """Note what a run came to, and that it is over."""
        assert one.active is not None
        ran = at - one.active.started_at
        one.lost_s += min(ran, one.overhead_s)
        one.left_s = max(0.0, one.left_s - max(0.0, ran - one.overhead_s))
        one.past = Past(
            ran_s=one.past.ran_s + ran,
            attained_gpu_s=one.past.attained_gpu_s + ran * one.trace.gpus,
            preempted=one.past.preempted,
            stopped_at=one.past.stopped_at,
        )
        one.active = None
        self._meter.hold(one.trace.account, -one.trace.gpus, at)

    def _pass(self) -> None:
        self._last_pass = self.now
        self._is_changed = False
        waiting = self.waiting
        began = self._timer()
        plan = self._decider.plan(self.now)
        self.pass_s.append((waiting, self._timer() - began))
        self._heard(waiting, self.now, plan)
        for one in plan.preemptions:
            self._stop(one.job_id, moved=one.moved is not None)
        for start in plan.starts:
            self._start(start)
        for one in plan.preemptions:
            if one.moved is not None:
                self._start(one.moved)
        if plan.starts:
            self._is_changed = self.waiting > 0 and bool(plan.preemptions)

    def _stop(self, job_id: int, *, moved: bool) -> None:
        one = self._going[job_id]
        self._account(one, self.now)
        past = one.past
        one.past = Past(
            ran_s=past.ran_s,
            attained_gpu_s=past.attained_gpu_s,
            preempted=past.preempted + 1,
            stopped_at=self.now,
        )
        one.run += 1
        one.pending = again(one.pending, one.past)
        self._decider.stop(job_id)
        if not moved:
            self._decider.submit(one.pending)
        self.waiting += 1

    def _start(self, start: Start) -> None:
        one = self._going[start.job_id]
        one.overhead_s = self._restart_s if one.past.preempted else 0.0
        one.active = begun(one.pending, start, self.now)
        if one.first_at < 0:
            one.first_at = self.now
        self._decider.begin(one.active)
        self._meter.hold(one.trace.account, one.trace.gpus, self.now)
        heappush(self._ends, (self.now + one.overhead_s + one.left_s, start.job_id, one.run))
        self.waiting -= 1


def again(job: PendingJob, past: Past) -> PendingJob:
    """Return a job that waits again after it was stopped."""
    return replace(job, past=past)
