"""What was wanted, held and due, as time goes on: shares week by week, and how busy the cluster was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

WEEK_S = 7 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fairness:
    """How far accounts were from their weighted max-min shares.

    `deviation` is the sum over weeks and accounts of |had - due| / due, `under` of what was due and not had only;
    `worst_week` the largest deviation of one week in which somebody had to wait. `jain` is Jain's index of had / due,
    weighted by what was due. `busy` is the part of the GPUs held while more was wanted than there was.
    """

    deviation: float
    under: float
    worst_week: float
    jain: float
    busy: float
    weeks: tuple[float, ...]


class Meter:
    """Told of every change of what accounts want and hold; integrates between changes."""

    def __init__(self, capacity: int, weights: Mapping[str, float]) -> None:
        self._capacity = capacity
        self._weights = weights
        self._wanted: dict[str, int] = {}
        self._held: dict[str, int] = {}
        self._due: dict[str, float] = {}
        self._at = 0.0
        self._is_current = True
        self._all_wanted = self._all_held = 0
        self._weeks: list[dict[str, list[float]]] = []
        self._crowded_s = self._crowded_gpu_s = 0.0

    @property
    def waiting(self) -> int:
        """GPUs wanted and not held."""
        return self._all_wanted - self._all_held

    def want(self, account: str, gpus: int, at: float) -> None:
        """Note that an account wants so many more GPUs, or fewer."""
        self._advance(at)
        self._wanted[account] = self._wanted.get(account, 0) + gpus
        self._all_wanted += gpus
        self._is_current = False

    def hold(self, account: str, gpus: int, at: float) -> None:
        """Note that an account holds so many more GPUs, or fewer."""
        self._advance(at)
        self._held[account] = self._held.get(account, 0) + gpus
        self._all_held += gpus

    def _advance(self, at: float) -> None:
        while self._at < at:
            week = int(self._at // WEEK_S)
            until = min(at, (week + 1) * WEEK_S)
            if until <= self._at:  # too small a step to be seen
                break
            self._add(until - self._at, week)
            self._at = until

    def _add(self, seconds: float, week: int) -> None:
        if not self._is_current:
            self._due = max_min(self._wanted, self._weights, self._capacity)
            self._is_current = True
        while len(self._weeks) <= week:
            self._weeks.append({})
        sums = self._weeks[week]
        for account, due in self._due.items():
            one = sums.get(account)
            if one is None:
                one = sums[account] = [0.0, 0.0]
            one[0] += due * seconds
            one[1] += self._held.get(account, 0) * seconds
        if self._all_wanted >= self._capacity:
            self._crowded_s += seconds
            self._crowded_gpu_s += self._all_held * seconds

    def fairness(self) -> Fairness:
        """Return what it comes to."""
        due = under = over = 0.0
        weeks: list[float] = []
        for sums in self._weeks:
            week_due = sum(one[0] for one in sums.values())
            off = sum(abs(one[1] - one[0]) for one in sums.values())
            due += week_due
            over += off
            under += sum(max(0.0, one[0] - one[1]) for one in sums.values())
            weeks.append(off / week_due if week_due else 0.0)
        ratios = [(one[1] / one[0], one[0]) for sums in self._weeks for one in sums.values() if one[0] > 0]
        mean, square = sum(r * w for r, w in ratios), sum(r * r * w for r, w in ratios)
        crowded = self._crowded_s * self._capacity
        return Fairness(
            deviation=over / due if due else 0.0,
            under=under / due if due else 0.0,
            worst_week=max(weeks, default=0.0),
            jain=mean * mean / (square * due) if square else 1.0,
            busy=self._crowded_gpu_s / crowded if crowded else 1.0,
            weeks=tuple(weeks),
        )


def max_min(wanted: Mapping[str, int], weights: Mapping[str, float], capacity: float) -> dict[str, float]:
    """Return what is due to each by weighted max-min: nobody more than it wants, the rest by weight."""
    active = sorted(
        ((want / weights.get(name, 1.0), name, want) for name, want in wanted.items() if want > 0),
    )
    left, shares = capacity, sum(weights.get(name, 1.0) for _, name, _ in active)
    due: dict[str, float] = {}
    for _, name, want in active:
        weight = weights.get(name, 1.0)
        due[name] = min(float(want), left * weight / shares)
        left -= due[name]
        shares -= weight
    return due
