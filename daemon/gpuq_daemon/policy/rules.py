"""What an operator decides about order, limits and promises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gpuq.errors import UsageError
from gpuq_daemon.policy.accounts import Tree
from gpuq_daemon.policy.billing import Billing
from gpuq_daemon.policy.limits import Limits
from gpuq_daemon.policy.tiers.settings import Tiers


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What each factor (0..1) of a job's priority counts. `max_age_s` is the age that counts in full."""

    age: int = 1_000
    fair_share: int = 100_000
    job_size: int = 1_000
    partition: int = 1_000
    qos: int = 10_000
    max_age_s: float = 7 * 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Qos:
    """A quality of service: its priority among all, and what a second in it costs. Limits are in `Limits`.

    Only jobs in `accounts`, or in accounts below them, may have it; if none is named, all may.
    """

    priority: int = 0
    usage_factor: float = 1.0
    accounts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The policy's settings.

    `partitions` are priorities by partition. In each pool (the nodes of one GPU model in a partition) up to
    `promises` waiting jobs are promised a start; beyond the first only while the GPUs that are free now and
    kept for them stay below `idle_budget` of the pool. Who has waited `guard_after_s` goes before everybody
    who has not, longest wait first, so that nothing that can run waits for ever; None is no such guard.
    `tiers` are the settings of the policy of three tiers over `tree`; None is Slurm's multifactor order.
    """

    weights: Weights = field(default_factory=Weights)
    partitions: Mapping[str, int] = field(default_factory=dict[str, int])
    qos: Mapping[str, Qos] = field(default_factory=dict[str, Qos])
    limits: Limits = field(default_factory=Limits)
    billing: Billing = field(default_factory=Billing)
    promises: int = 4
    idle_budget: float = 0.25
    guard_after_s: float | None = 210 * 3600.0
    tiers: Tiers | None = None
    tree: Tree = field(default_factory=Tree)


def checked(rules: Rules) -> Rules:
    """Return the rules if they make sense.

    Raises:
        UsageError: a weight is negative, a budget or a factor is out of range; the message names it.
    """
    weights = rules.weights
    for name in ("age", "fair_share", "job_size", "partition", "qos"):
        if not 0 <= getattr(weights, name) <= 2**31:
            raise UsageError(f"The priority weight `{name}` must be from 0 to {2**31}.")
    if not weights.max_age_s > 0:
        raise UsageError("The age that counts in full must be more than 0 seconds.")
    if not 1 <= rules.promises <= 64:
        raise UsageError("From 1 to 64 jobs a pool can be promised a start.")
    if not 0 <= rules.idle_budget <= 1:
        raise UsageError("The part of the GPUs that promises may keep idle must be from 0 to 1.")
    for name, qos in rules.qos.items():
        if not (qos.usage_factor >= 0 and qos.priority >= 0):
            raise UsageError(f"QOS {name} must have a priority and a usage factor of 0 or more.")
    return rules
