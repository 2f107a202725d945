"""A cluster in virtual time: jobs arrive, the engine decides, jobs run as long as they are said to."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush

from gpuq_daemon.policy.accounts import Tree
from gpuq_daemon.policy.dependency import Fate
from gpuq_daemon.policy.engine import Engine
from gpuq_daemon.policy.fairtree import fair_tree
from gpuq_daemon.policy.snapshot import ActiveJob, PendingJob, Plan, Snapshot
from gpuq_daemon.policy.usage import Charge, Usage, charged, merged, standing
from tests.policy.build import begun


class Virtual:
    """Events in order of time; after each of them a pass, whose starts begin at once."""

    def __init__(self, world: Snapshot, *, tree: Tree | None = None, half_life_s: float = 7 * 86400.0) -> None:
        self.now = world.now
        self.engine = Engine(world)
        self.tree = tree
        self.half_life_s = half_life_s
        self.active: dict[int, ActiveJob] = {}
        self.started_at: dict[int, float] = {}
        self.ledger: dict[tuple[str, str], Usage] = {}
        self.plan: Plan | None = None
        self._held: dict[str, float] = {}
        self._durations: dict[int, float] = {}
        self._events: list[tuple[float, int, PendingJob | None]] = []

    def submit(self, at: float, job: PendingJob, duration_s: float) -> None:
        """Let a job arrive."""
        self._durations[job.job_id] = duration_s
        heappush(self._events, (at, job.job_id, job))

    def step(self) -> bool:
        """Go to the next event and make passes until nothing starts; return whether there was one."""
        if not self._events:
            return False
        self.now = self._events[0][0]
        while self._events and self._events[0][0] <= self.now:
            _, job_id, job = heappop(self._events)
            if job is None:
                self._end(job_id)
            else:
                self.engine.submit(job)
        self._decide()
        return True

    def run(self, until: float, seen: Callable[[], None] = lambda: None) -> None:
        """Go on until a time, or until nothing happens any more."""
        while self._events and self._events[0][0] <= until:
            self.step()
            seen()

    def recalculate(self) -> None:
        """Compute the shares anew from what was used, running jobs included."""
        assert self.tree is not None
        running = [
            ((job.account, job.user), Charge(rate=job.gpus, since=job.started_at)) for job in self.active.values()
        ]
        usage = standing(self.ledger, running, at=self.now, half_life_s=self.half_life_s)
        self.engine.recalculate(fair_tree(self.tree, usage, at=self.now), {})

    def held_gpu_s(self, account: str) -> float:
        """Return the GPU-seconds an account has had, running jobs included."""
        running = (job.gpus * (self.now - job.started_at) for job in self.active.values() if job.account == account)
        return self._held.get(account, 0.0) + sum(running)

    def _decide(self) -> None:
        self.plan = self.engine.plan(self.now)
        for start in self.plan.starts:
            job = self.engine.pending(start.job_id)
            active = begun(job, start, self.now)
            self.active[job.job_id] = active
            self.started_at[job.job_id] = self.now
            heappush(self._events, (self.now + self._durations[job.job_id], job.job_id, None))
        for start in self.plan.starts:
            self.engine.begin(self.active[start.job_id])

    def _end(self, job_id: int) -> None:
        job = self.active.pop(job_id)
        self.engine.end(job_id, Fate.OK)
        key = (job.account, job.user)
        self._held[job.account] = self._held.get(job.account, 0.0) + job.gpus * (self.now - job.started_at)
        used = charged(Charge(rate=job.gpus, since=job.started_at, until=self.now), self.now, self.half_life_s)
        self.ledger[key] = merged(self.ledger.get(key, Usage(at=self.now)), used, self.half_life_s)
