"""What operators have decided and what has been used: the rules, the shares, the reservations as of now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from gpuq_daemon.config import Config
from gpuq_daemon.policy.accounts import Tree
from gpuq_daemon.policy.fairtree import Shares, fair_tree
from gpuq_daemon.policy.limits import Scope
from gpuq_daemon.policy.reservation import Reservation
from gpuq_daemon.policy.rules import Rules
from gpuq_daemon.policy.snapshot import NodeView
from gpuq_daemon.policy.usage import Charge, period_start, standing
from gpuq_daemon.store.accounts import AccountStore
from gpuq_daemon.store.database import Database
from gpuq_daemon.store.jobs import JobStore
from gpuq_daemon.store.usage import used_gpu_s


class Standing:
    """Puts the configuration, the accounts and the accounting together for the policy."""

    def __init__(self, config: Config, database: Database, accounts: AccountStore, jobs: JobStore) -> None:
        self._config = config
        self._database = database
        self._accounts = accounts
        self._jobs = jobs

    def tree(self) -> Tree:
        """Return the accounts and who belongs to them."""
        return self._accounts.tree()

    def rules(self) -> Rules:
        """Return the policy's settings."""
        settings = self._config.scheduler
        limits = self._accounts.limits(settings.period_d * 86_400)
        priorities = {name: partition.priority for name, partition in self._config.partition.items()}
        return settings.rules(priorities, self._accounts.qos(), limits)

    def shares(self, now: float) -> Shares:
        """Return every share as of `now`, running jobs included as far as they have come."""
        rules = self.rules()
        running = [
            ((job.account, job.user), Charge(rate=self.rate(job.gpu_type, job.gpus, job.qos, rules), since=job.started_at))
            for job in self._jobs.active_charges()
        ]
        used = standing(
            self._accounts.ledger(), running, at=now, half_life_s=self._config.scheduler.half_life_s
        )
        return fair_tree(self.tree(), used, at=now)

    def used_gpu_s(self, now: float) -> Mapping[Scope, float]:
        """Return what limits in GPU-hours count in the present period."""
        limits = self.rules().limits
        return used_gpu_s(self._database, limits, since=period_start(now, limits.period_s), now=now)

    def reservations(self) -> tuple[Reservation, ...]:
        """Return the reservations that have not ended."""
        return self._accounts.reservations()

    def drained(self, nodes: Iterable[NodeView]) -> tuple[NodeView, ...]:
        """Return the nodes, those that an operator took out with the reason."""
        drains = self._accounts.drains()
        return tuple(replace(node, drained=drains.get(node.name)) for node in nodes)
