"""What operators have decided and what has been used: the rules, the shares, the reservations as of now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from gpuq_daemon.config import Config, SchedulerTable
from gpuq_daemon.policy.accounts import Tree
from gpuq_daemon.policy.billing import Billing
from gpuq_daemon.policy.fairtree import AssociationKey, Shares, fair_tree
from gpuq_daemon.policy.limits import Scope
from gpuq_daemon.policy.reservation import Reservation, with_those_below
from gpuq_daemon.policy.rules import Rules, Weights
from gpuq_daemon.policy.snapshot import NodeView
from gpuq_daemon.policy.tiers.settings import Tiers
from gpuq_daemon.policy.usage import Charge, period_start, standing
from gpuq_daemon.store.accounts import AccountStore
from gpuq_daemon.store.database import Database
from gpuq_daemon.store.job_rows import Charged
from gpuq_daemon.store.jobs import JobStore
from gpuq_daemon.store.usage import used_gpu_s


class Standing:
    """Puts the configuration, the accounts and the accounting together for the policy."""

    def __init__(self, config: Config, database: Database, accounts: AccountStore, jobs: JobStore) -> None:
        self._config = config
        self._database = database
        self._accounts = accounts
        self._jobs = jobs
        self._rules: tuple[object, Rules] | None = None

    def with_accounts(self, accounts: AccountStore) -> Standing:
        """Return the same where operators had decided otherwise."""
        return Standing(self._config, self._database, accounts, self._jobs)

    def tree(self) -> Tree:
        """Return the accounts and who belongs to them."""
        return self._accounts.tree()

    def rules(self) -> Rules:
        """Return the policy's settings: those of the configuration, and what operators decide at run time."""
        config = self._config
        priorities = tuple((name, partition.priority) for name, partition in config.partition.items())
        made_of = (self._accounts.version, config.scheduler, priorities)
        if self._rules is None or self._rules[0] != made_of:
            self._rules = made_of, self._read_rules()
        return self._rules[1]

    def _read_rules(self) -> Rules:
        table = self._config.scheduler
        return Rules(
            weights=_weights(table),
            billing=_billing(table),
            partitions={name: partition.priority for name, partition in self._config.partition.items()},
            qos=self._accounts.qos(),
            limits=self._accounts.limits(table.period_d * 86_400),
            promises=table.promises,
            idle_budget=table.idle_budget,
            guard_after_s=None if table.guard_after_h is None else table.guard_after_h * 3600,
            tiers=_tiers(table),
            tree=self.tree(),
        )

    def rates(self) -> dict[AssociationKey, float]:
        """Return the billing units that running jobs hold now, by (account, user)."""
        rates: dict[AssociationKey, float] = {}
        for held in self._jobs.active_charges():
            key = (held.account, held.user)
            rates[key] = rates.get(key, 0.0) + self._rate(held)
        return rates

    def rate_of(self, job_id: int) -> float:
        """Return the billing units that an active job holds, 0 for any other."""
        return sum(self._rate(held) for held in self._jobs.active_charges(job_id))

    def shares(self, now: float) -> Shares:
        """Return every share as of `now`, running jobs included as far as they have come."""
        running = [
            ((held.account, held.user), Charge(rate=self._rate(held), since=held.started_at))
            for held in self._jobs.active_charges()
        ]
        half_life_s = self._config.scheduler.half_life_s
        used = standing(self._accounts.ledger(), running, at=now, half_life_s=half_life_s)
        return fair_tree(self.tree(), used, at=now)

    def used_gpu_s(self, now: float) -> Mapping[Scope, float]:
        """Return what limits in GPU-hours count in the present period."""
        limits = self.rules().limits
        return used_gpu_s(self._database, limits, since=period_start(now, limits.period_s), now=now)

    def reservations(self, now: float) -> tuple[Reservation, ...]:
        """Return the reservations that have not ended."""
        parents = self.tree().parents()
        return tuple(with_those_below(one, parents) for one in self._accounts.reservations() if one.end_at > now)

    def drained(self, nodes: Iterable[NodeView]) -> tuple[NodeView, ...]:
        """Return the nodes, those that an operator took out with the reason."""
        drains = self._accounts.drains()
        return tuple(replace(node, drained=drains.get(node.name)) for node in nodes)

    def _rate(self, held: Charged) -> float:
        qos = self._accounts.qos().get(held.qos)
        factor = 1.0 if qos is None else qos.usage_factor
        return _billing(self._config.scheduler).rate(
            {held.gpu_type: held.gpus}, cpus=held.cpus, memory_mib=held.memory_mib, usage_factor=factor
        )


def _tiers(table: SchedulerTable) -> Tiers | None:
    policy = table.policy or ("tiered" if table.preemption else "multifactor")
    if policy == "multifactor":
        return None
    return Tiers(
        guard_after_s=None if table.guard_after_h is None else table.guard_after_h * 3600,
        least_run_s=table.least_run_s,
        most_preemptions=table.most_preemptions,
        small_patience_s=table.small_patience_s,
        patience_s=table.patience_s,
        may_preempt=table.preemption,
        is_governed=policy == "fair-first",
    )


def _weights(table: SchedulerTable) -> Weights:
    w = table.weights
    return Weights(
        age=w.age,
        fair_share=w.fair_share,
        job_size=w.job_size,
        partition=w.partition,
        qos=w.qos,
        max_age_s=w.max_age_d * 86_400,
    )


def _billing(table: SchedulerTable) -> Billing:
    b = table.billing
    return Billing(gpu=b.gpu, gpu_types=b.gpu_types, cpu=b.cpu, memory_gib=b.memory_gib)
