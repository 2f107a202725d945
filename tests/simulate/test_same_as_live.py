"""The scheduler that runs live, over its database, and the simulator give the same starts for the same arrivals."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gpuq_daemon.bell import Bell
from gpuq_daemon.config import Config, load
from gpuq_daemon.policy.dependency import Fate
from gpuq_daemon.policy.lifecycle import DriverEnd, Intent, Outcome, verdict
from gpuq_daemon.policy.making import engine_for
from gpuq_daemon.policy.snapshot import ActiveJob, PendingJob, Plan, Preemption, Snapshot, Start
from gpuq_daemon.scheduler import Scheduler
from gpuq_daemon.simulate.course import Course, Decider, Pace
from gpuq_daemon.simulate.lab import pending_of
from gpuq_daemon.simulate.meter import Meter
from gpuq_daemon.simulate.nodes import PARTITION, gang_for, parse_nodes
from gpuq_daemon.simulate.trace import TraceJob
from gpuq_daemon.standing import Standing
from gpuq_daemon.store.accounts import AccountStore
from gpuq_daemon.store.database import Database
from gpuq_daemon.store.jobs import JobStore, Owner, Request
from gpuq_daemon.store.promises import PromiseStore
from tests.support.values import a_spec

H = 3600.0
NODES = parse_nodes("8x1")
NEVER_S = 3600.0  # shares are computed anew so seldom that no short run sees it

Seen = list[tuple[float, int, tuple[tuple[str, int], ...]]]


class VirtualClock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        return self.at

    def uptime(self) -> float:
        return self.at


class Live:
    """The real scheduler over a real database, told what happens as a policy in the simulator is."""

    def __init__(self, config: Config, database: Database, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._clock = VirtualClock()
        self._jobs = JobStore(database)
        self._asked: list[int] = []
        self._begun: list[int] = []
        self._known: set[int] = set()
        tokens = iter(range(10**9))
        self.standing = Standing(config, database, AccountStore(database), self._jobs)
        self._scheduler = Scheduler(
            jobs=self._jobs,
            standing=self.standing,
            promises=PromiseStore(database),
            clock=self._clock,
            bell=Bell(),
            nodes=lambda: NODES,
            down=dict,
            new_token=lambda: f"t{next(tokens)}",
            started=self._begun.append,
            recalculate_every_s=lambda: NEVER_S * 1e6,
            passed=lambda: None,
            recalculated=lambda _: None,
            stopped=self._asked.append,
        )

    def submit(self, job: PendingJob) -> None:
        """Queue a job; one that was stopped waits again already."""
        if job.job_id in self._known:
            return
        self._known.add(job.job_id)
        gang = job.gang
        spec = a_spec(
            workers=gang.workers,
            gpus_per_worker=gang.gpus_per_worker,
            time_limit_s=job.time_limit_s,
            signal_s=60 if job.is_preemptible else None,
            retries=1,
        )
        request = Request(
            spec=spec,
            owner=Owner(user=job.user, uid=1000),
            name=job.name,
            partition=PARTITION,
            account=job.account,
            qos=job.qos,
            sha256="0" * 64,
        )
        made = self._loop.run_until_complete(self._jobs.add_all(request, now=job.submitted_at))
        assert list(made) == [job.job_id]
        self._scheduler.submitted(made)

    def begin(self, job: ActiveJob) -> None:
        """Nothing: the pass has begun it."""

    def stop(self, job_id: int) -> None:
        """Nothing: the pass has stopped it."""

    def end(self, job_id: int, fate: Fate) -> None:
        """End a job well."""
        self._finish(job_id, None)

    def _finish(self, job_id: int, intent: Intent | None) -> None:
        outcome = Outcome(exit_code=0) if intent is None else None
        how = verdict(intent, outcome, DriverEnd(exit_code=0 if intent is None else None, signal=None))
        self._loop.run_until_complete(self._jobs.driver_ended(job_id))
        self._loop.run_until_complete(self._jobs.finish(job_id, how, ended_at=self.at))
        self._scheduler.ended(job_id)

    @property
    def at(self) -> float:
        """The time."""
        return self._clock.at

    def set_clock(self, at: float) -> None:
        """Go on to a time."""
        self._clock.at = at

    def plan(self, now: float) -> Plan:
        """Make the passes of this moment; who is asked to stop does so at once."""
        stopped: list[int] = []
        self._loop.run_until_complete(self._scheduler.pass_once())
        while self._asked:
            asked = list(self._asked)
            self._asked.clear()
            stopped += asked
            for job_id in asked:
                self._finish(job_id, Intent.PREEMPT)
            self._loop.run_until_complete(self._scheduler.pass_once())
        begun = self._jobs.active_of(self._begun)
        self._begun.clear()
        starts = tuple(Start(job_id=job.job_id, workers_by_node=job.gpus_by_node) for job in begun)
        return Plan(
            starts=starts,
            reasons={},
            preemptions=tuple(Preemption(job_id=job_id, for_job=0) for job_id in stopped),
        )


@contextmanager
def live(folder: Path, scheduler: str) -> Generator[Live]:
    """Give the live scheduler with these lines of configuration."""
    file = folder / "gpuqd.toml"
    file.write_text(f'state_dir = "{folder}"\n[scheduler]\n{scheduler}\n[partition.main]\nengine = "embedded"\n')
    loop = asyncio.new_event_loop()
    database = Database(folder / "state.db", "state")
    try:
        yield Live(load(file), database, loop)
    finally:
        database.close()
        loop.close()


def course(jobs: list[TraceJob], decider: Decider, set_clock: Callable[[float], None]) -> tuple[Seen, list[int]]:
    """Return who started when and where, and who was stopped, in order."""
    seen: Seen = []
    stopped: list[int] = []

    def heard(_: int, at: float, plan: Plan) -> None:
        stopped.extend(sorted(one.job_id for one in plan.preemptions))
        moves = [one.moved for one in plan.preemptions if one.moved is not None]
        seen.extend((at, one.job_id, tuple(sorted(one.workers_by_node.items()))) for one in (*plan.starts, *moves))

    def pending(job_id: int, trace: TraceJob) -> PendingJob:
        gang = gang_for(trace.gpus, None, 1)
        return pending_of(job_id, trace, gang, is_preemptible=trace.is_preemptible is True)

    one = Course(
        jobs,
        decider,
        Meter(len(NODES), {}),
        pending_of=pending,
        pace=Pace(every_s=600.0, after_s=0.0),
        restart_s=0.0,
        timer=lambda: 0.0,
        heard=heard,
        at=set_clock,
    )
    one.run()
    assert len(one.ended) == len(jobs)
    return seen, stopped


def arrivals(count: int, seed: int) -> list[TraceJob]:
    """Return short jobs that come faster than they can run, at whole seconds."""
    rng = random.Random(seed)
    at = 0
    jobs: list[TraceJob] = []
    for _ in range(count):
        at += rng.randrange(0, 240)
        user = rng.choice(("ann", "bob", "cat"))
        length = rng.choice((60, 300, 900, 5 * 3600))
        jobs.append(
            TraceJob(
                submit_s=float(at),
                duration_s=float(length),
                gpus=rng.choice((1, 1, 2, 4)),
                user=user,
                account="root",
                limit_s=rng.choice((None, length * 2)),
                is_preemptible=rng.random() < 0.7,
            )
        )
    return jobs


@pytest.mark.parametrize(
    ("scheduler", "stops"),
    [
        ('policy = "multifactor"', False),
        ('policy = "tiered"', False),
        ("preemption = true\nleast_run_s = 60\nsmall_patience_s = 60", True),
    ],
)
def test_the_same_arrivals_start_alike_live_and_simulated(tmp_path: Path, scheduler: str, stops: bool) -> None:
    jobs = arrivals(200, seed=11)

    with live(tmp_path, scheduler) as there:
        rules = there.standing.rules()
        found, stopped = course(jobs, there, there.set_clock)
    engine = engine_for(Snapshot(now=0.0, nodes=NODES, pending=(), active=(), rules=rules))
    expected, stopped_there = course(jobs, engine, lambda _: None)

    assert sorted(found) == sorted(expected)
    assert sorted(stopped) == sorted(stopped_there)
    assert bool(stopped) is stops
