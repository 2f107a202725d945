"""What an operator may turn in the policy of three tiers, and what it remembers from pass to pass."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiers:
    """The settings. Times are seconds, `_gpu_s` GPU-seconds, `_part` parts of all GPUs.

    A job is small until it has had `small_gpu_s`; small jobs together get at most `small_part`. Jobs that have had
    less than each of `levels_gpu_s`, which rise, go before those that have had more. What an account is owed halves in
    `half_life_s` and is repaid within `repay_s`. Who has waited `guard_after_s` is guarded, while the guarded hold
    at most `guard_part`, until it has run for `guard_quantum_s`; None is no guard. Nobody is stopped within
    `least_run_s` of its start, or more often than `most_preemptions` times; nobody is stopped for a job that waits
    for less than `small_patience_s` (a small one) or `patience_s`. `hysteresis` is how much further below its share
    an account must be for its waiting job to go before another's running one. `is_governed` shrinks the guard as
    accounts get further from their shares: `fair-first`.

    Source: docs/policy.md.
    """

    small_gpu_s: float = 8 * 3600.0
    small_part: float = 1.0
    levels_gpu_s: tuple[float, ...] = (8 * 3600.0, 64 * 3600.0)
    half_life_s: float = 3 * 86_400.0
    repay_s: float = 12 * 3600.0
    guard_after_s: float | None = 210 * 3600.0
    guard_part: float = 0.5
    guard_quantum_s: float = 24 * 3600.0
    least_run_s: float = 3600.0
    most_preemptions: int | None = None
    small_patience_s: float = 600.0
    patience_s: float = 3600.0
    hysteresis: float = 0.5
    may_preempt: bool = True
    may_move: bool = True
    is_governed: bool = False

    def level(self, attained_gpu_s: float) -> int:
        """Return how many of the levels a job has passed."""
        return bisect_right(self.levels_gpu_s, attained_gpu_s)

    def guard_part_at(self, deviation: float) -> float:
        """Return the part of all GPUs that the guarded may hold while shares are missed by this part of them."""
        if not self.is_governed:
            return self.guard_part
        over = min(1.0, max(0.0, (deviation - 0.1) / 0.2))
        return self.guard_part + (0.1 - self.guard_part) * over


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """What an account or a user is owed in unit-seconds (below 0: has had too much), and how fast that grows."""

    unit_s: float
    rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TierState:
    """What a pass leaves to the next: the ledger by path in the tree as of `at`, and who is guarded.

    `ideal_unit_s` is what all should have had, fading like the ledger, and `ideal_rate` how fast it grows.
    """

    at: float | None = None
    owed: Mapping[str, Owed] = field(default_factory=dict[str, Owed])
    guarded: frozenset[int] = frozenset()
    ideal_unit_s: float = 0.0
    ideal_rate: float = 0.0


NO_STATE = TierState()
