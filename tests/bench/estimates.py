"""How well starts are estimated: a trace is played, and at moments of it the starts of all that wait are estimated.

What was promised is compared with what came. `python -m tests.bench.estimates [TRACE.csv] [--policy P] [--limits L]`.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from gpuq_daemon.forecast.estimate import Estimate, estimates
from gpuq_daemon.forecast.packing import Run, plain
from gpuq_daemon.forecast.replay import Course as Ahead
from gpuq_daemon.policy.engine import Engine
from gpuq_daemon.policy.snapshot import PendingJob, Plan
from gpuq_daemon.simulate.course import Course, Pace
from gpuq_daemon.simulate.lab import Gangs, limited, pending_of
from gpuq_daemon.simulate.meter import Meter
from gpuq_daemon.simulate.nodes import parse_nodes
from gpuq_daemon.simulate.policies import POLICIES, Setting, tree_of
from gpuq_daemon.simulate.synthetic import synthetic
from gpuq_daemon.simulate.trace import TraceJob, from_zero, read

_HISTORY = 3000
HALF_LIFE_S = 7 * 86_400.0


class Made(NamedTuple):
    """A promise at a moment, and what came of it."""

    at: float
    p50_at: float | None
    p90_at: float | None
    submitted_at: float
    started_at: float


@dataclass
class Kept:
    """Promises of some moments, and the CPU time that they took."""

    made: list[Made] = field(default_factory=list[Made])
    cpu_s: float = 0.0
    moments: int = 0

    def add(self, other: Kept) -> None:
        """Take in those of another course."""
        self.made += other.made
        self.cpu_s += other.cpu_s
        self.moments += other.moments

    def told(self) -> str:
        """Return the figures."""
        known = [(one, one.p50_at) for one in self.made if one.p50_at is not None]
        late = [one.started_at <= one.p90_at for one in self.made if one.p90_at is not None]
        n = len(known)
        if not n:
            return f"{len(self.made)} promises at {self.moments} moments, none with a middle"
        ahead = sorted(abs(p50 - one.started_at) / max(one.started_at - one.at, 60.0) for one, p50 in known)
        whole = sorted(abs(p50 - one.started_at) / max(one.started_at - one.submitted_at, 60.0) for one, p50 in known)
        return (
            f"{len(self.made)} promises at {self.moments} moments ({len(self.made) - n} without a middle, "
            f"{len(self.made) - len(late)} without a late one): "
            f"p50 kept {sum(one.started_at <= p50 for one, p50 in known) / n:.1%}, "
            f"p90 kept {sum(late) / max(1, len(late)):.1%}; median error {ahead[len(ahead) // 2]:.1%} of what was left "
            f"to wait, {whole[len(whole) // 2]:.1%} of the whole wait; "
            f"{self.cpu_s / max(1, self.moments):.2f} CPU-s a moment"
        )


def a_replay_s_time() -> Callable[[], bool]:
    """Return what says when a second and a half of CPU is over, which is what gpuqd gives a replay."""
    began = time.process_time()
    return lambda: time.process_time() - began > 1.5


def measure(
    jobs: list[TraceJob], *, nodes: str, policy: str, moments: int, seed: int, replays: int, may_preempt: bool
) -> Kept:
    """Play a trace and return how its promises were kept."""
    views = parse_nodes(nodes)
    gangs = Gangs(views)
    jobs = [job for job in jobs if gangs.is_possible(job)]
    there = POLICIES[policy]
    decider = there.make(Setting(nodes=views, tree=tree_of(jobs, {}), jobs=jobs, may_preempt=may_preempt))
    assert isinstance(decider, Engine)
    engine = decider
    rng = random.Random(seed)
    span = jobs[-1].submit_s
    due = sorted(rng.uniform(0.15 * span, 0.7 * span) for _ in range(moments))
    kept, made_then = Kept(), list[tuple[float, Estimate]]()
    runs: list[Run] = []
    starts: dict[int, list[float]] = {}
    pending: dict[int, PendingJob] = {}

    def made(job_id: int, trace: TraceJob) -> PendingJob:
        pending[job_id] = replace(
            pending_of(job_id, trace, gangs.gang(trace), is_preemptible=may_preempt), name=f"{trace.gpus}"
        )
        return pending[job_id]

    def heard(_: int, at: float, plan: Plan) -> None:
        for start in plan.starts:
            starts.setdefault(start.job_id, []).append(at)
        if due and at >= due[0]:
            due.pop(0)
            started = {start.job_id for start in plan.starts}
            snapshot = plain(engine.snapshot(at))
            if not {job.job_id for job in snapshot.pending} - started:
                return
            runs.extend(Run(job=pending[numbers[id(one.job)]], ran_s=one.ran_s) for one in course.ended[len(runs) :])
            began = time.process_time()
            found = estimates(
                snapshot,
                sorted(runs[-_HISTORY:], key=lambda run: run.job.submitted_at),
                rng,
                replays=replays,
                each=a_replay_s_time,
                course=Ahead(half_life_s=HALF_LIFE_S),
            )
            kept.cpu_s += time.process_time() - began
            kept.moments += 1
            made_then.extend((at, one) for one in found if one.job_id not in started)

    numbers = {id(job): number for number, job in enumerate(jobs, 1)}
    course = Course(
        jobs,
        decider,
        Meter(sum(n.gpus for n in views), {}),
        pending_of=made,
        pace=Pace(every_s=60.0, after_s=5.0),
        restart_s=120.0,
        timer=lambda: 0.0,
        heard=heard,
    )
    course.run()
    for at, one in made_then:
        next_start = next((start for start in starts.get(one.job_id, ()) if start > at), None)
        if next_start is not None:
            kept.made.append(Made(at, one.p50_at, one.p90_at, pending[one.job_id].submitted_at, next_start))
    return kept


def main(argv: Sequence[str] | None = None) -> None:
    """Measure what the words ask for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("trace", nargs="?")
    parser.add_argument("--policy", default="multifactor")
    parser.add_argument("--limits", default="exact")
    parser.add_argument("--nodes", default="70x8")
    parser.add_argument("--first", type=int, default=10_000)
    parser.add_argument("--skip", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=4000)
    parser.add_argument("--load", type=float, default=1.0)
    parser.add_argument("--moments", type=int, default=20)
    parser.add_argument("--replays", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--no-preemption", action="store_true")
    asked = parser.parse_args(argv)
    gpus = sum(node.gpus for node in parse_nodes(asked.nodes))
    everything = Kept()
    for seed in range(asked.seed, asked.seed + asked.seeds):
        if asked.trace is None:
            jobs = synthetic(asked.jobs, random.Random(seed), gpus=gpus, load=asked.load)
        else:
            jobs = from_zero(read(Path(asked.trace))[asked.skip :][: asked.first])
        if asked.limits != "trace":
            factor = None if asked.limits == "none" else 1.0 if asked.limits == "exact" else float(asked.limits[1:])
            jobs = limited(jobs, factor)
        found = measure(
            jobs,
            nodes=asked.nodes,
            policy=asked.policy,
            moments=asked.moments,
            seed=seed,
            replays=asked.replays,
            may_preempt=not asked.no_preemption,
        )
        everything.add(found)
        print(f"seed {seed}: {found.told()}", flush=True)
    print(f"{asked.policy}, limits {asked.limits}: {everything.told()}")


if __name__ == "__main__":
    main()
