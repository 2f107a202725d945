"""The policies by name: gpuq's own, which are the ones that run live, and what to compare them with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from gpuq_daemon.policy.accounts import ROOT, Account, Association, Tree
from gpuq_daemon.policy.dependency import Fate
from gpuq_daemon.policy.engine import Engine
from gpuq_daemon.policy.fairtree import fair_tree
from gpuq_daemon.policy.rules import Rules, Weights
from gpuq_daemon.policy.snapshot import NodeView, PendingJob, Plan, Snapshot
from gpuq_daemon.policy.tiers.engine import TieredEngine
from gpuq_daemon.policy.tiers.settings import Tiers
from gpuq_daemon.policy.usage import Charge, Usage, charged, merged, standing
from gpuq_daemon.simulate.baselines import StrictFifo, Themis
from gpuq_daemon.simulate.course import Decider
from gpuq_daemon.simulate.trace import TraceJob

_NO_WEIGHTS = Weights(age=0, fair_share=0, job_size=0, partition=0, qos=0)
_MOST_PROMISES = 64
_HALF_LIFE_S = 7 * 86_400.0
_RECALCULATE_S = 300.0
DEFAULT = "tiered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a policy is made for: the cluster, who shares it, and, for those that are told run times, the trace."""

    nodes: tuple[NodeView, ...]
    tree: Tree
    jobs: Sequence[TraceJob]
    may_preempt: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A policy: how it is made, and how it has jobs look. `knows` is what it is told that no scheduler can know."""

    says: str
    make: Callable[[Setting], Decider]
    seen: Callable[[PendingJob, TraceJob], PendingJob] = lambda job, _trace: job
    knows: str = ""


class Multifactor(Engine):
    """Slurm's way as it runs live: usage counted as jobs run and end, shares computed anew every five minutes."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(_world(setting, Rules(tree=setting.tree)))
        self._tree = setting.tree
        self._usage: dict[tuple[str, str], Usage] = {}
        self._at = 0.0
        self._counted_at = -_RECALCULATE_S

    def end(self, job_id: int, fate: Fate) -> None:
        """Charge a job that has ended; passes are close enough together to be its time."""
        job = self._active.get(job_id)
        if job is not None:
            key = (job.account, job.user)
            charge = Charge(rate=job.gpus, since=job.started_at, until=max(self._at, job.started_at))
            used = charged(charge, self._at, _HALF_LIFE_S)
            self._usage[key] = merged(self._usage.get(key, Usage(at=self._at)), used, _HALF_LIFE_S)
        super().end(job_id, fate)

    def plan(self, now: float) -> Plan:
        """Plan, with the shares of a moment ago."""
        self._at = now
        if now - self._counted_at >= _RECALCULATE_S:
            self._counted_at = now
            running = [
                ((job.account, job.user), Charge(rate=job.gpus, since=job.started_at)) for job in self._active.values()
            ]
            usage = standing(self._usage, running, at=now, half_life_s=_HALF_LIFE_S)
            self.recalculate(fair_tree(self._tree, usage, at=now), {})
        return super().plan(now)


def tree_of(jobs: Sequence[TraceJob], weights: Mapping[str, float]) -> Tree:
    """Return the accounts and users of a trace, equal unless weights say otherwise."""
    accounts = sorted({job.account for job in jobs})
    users = sorted({(job.account, job.user) for job in jobs})
    return Tree(
        accounts=(
            Account(name=ROOT, parent=None),
            *(Account(name=name, shares=round(1000 * weights.get(name, 1.0))) for name in accounts),
        ),
        associations=tuple(Association(account=account, user=user) for account, user in users),
    )


def _world(setting: Setting, rules: Rules) -> Snapshot:
    return Snapshot(now=0.0, nodes=setting.nodes, pending=(), active=(), rules=rules)


def _ordered(promises: int) -> Callable[[Setting], Decider]:
    """Return the live engine with nothing but arrival, or what a job is nice by, to order it."""
    rules = Rules(weights=_NO_WEIGHTS, promises=promises, idle_budget=1.0, guard_after_s=None)
    return lambda setting: Engine(_world(setting, rules))


def _tiered(tiers: Tiers) -> Callable[[Setting], Decider]:
    def make(setting: Setting) -> Decider:
        settled = replace(tiers, may_preempt=tiers.may_preempt and setting.may_preempt)
        return TieredEngine(_world(setting, Rules(tiers=settled, tree=setting.tree)))

    return make


def _las(setting: Setting) -> Decider:
    tiers = Tiers(
        small_gpu_s=0.0,
        levels_gpu_s=(3200.0, 32_000.0),
        guard_after_s=None,
        least_run_s=600.0,
        patience_s=0.0,
        hysteresis=0.0,
        may_preempt=setting.may_preempt,
        may_move=False,
    )
    return TieredEngine(_world(setting, Rules(tiers=tiers)))


def _themis(setting: Setting) -> Decider:
    durations = {number: job.duration_s for number, job in enumerate(setting.jobs, 1)}
    return Themis(setting.nodes, durations)


POLICIES: dict[str, Policy] = {
    "tiered": Policy(says="gpuq's default: a guard, small jobs, max-min shares with a ledger", make=_tiered(Tiers())),
    "fair-first": Policy(
        says="the same, with a guard that shrinks as shares are missed", make=_tiered(Tiers(is_governed=True))
    ),
    "multifactor": Policy(says="Slurm's multifactor priority with backfill, as it runs live", make=Multifactor),
    "fifo": Policy(
        says="first in, first out; behind one that does not fit all wait", make=lambda s: StrictFifo(s.nodes)
    ),
    "fifo-best-effort": Policy(says="first in, first out among those that fit", make=_ordered(0)),
    "sjf": Policy(
        says="shortest job first",
        make=_ordered(0),
        seen=lambda job, trace: replace(job, nice=int(trace.duration_s)),
        knows="run times",
    ),
    "easy": Policy(says="EASY backfill: the first is promised a start", make=_ordered(1)),
    "conservative": Policy(
        says="conservative backfill: the first 64 are promised a start", make=_ordered(_MOST_PROMISES)
    ),
    "2d-las": Policy(
        says="least attained service by levels (Tiresias)",
        make=_las,
        seen=lambda job, _: replace(job, account=ROOT, user="all"),
    ),
    "themis": Policy(says="finish-time fairness (Themis), leases of an hour", make=_themis, knows="run times"),
}
