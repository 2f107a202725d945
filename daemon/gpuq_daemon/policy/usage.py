"""Usage that fades: what was used counts half after each half-life.

Decay is exact and continuous, so that it does not matter when, how often or in which order usage is
charged, decayed and merged: the same seconds give the same number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import expm1, isnan, log, log2

from gpuq.errors import UsageError

SHORTEST_HALF_LIFE_S = 3600.0
LONGEST_HALF_LIFE_S = 3660 * 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """An amount of billing-seconds, decayed up to `at` (Unix seconds)."""

    amount: float = 0.0
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """A stretch of time in which `rate` billing units were held; `until` None is a job that still runs."""

    rate: float
    since: float
    until: float | None = None


def checked_half_life(seconds: float) -> float:
    """Return the half-life if it leaves fair share something to compare.

    Raises:
        UsageError: it is zero, no number, so short that all usage is forgotten at once, or absurdly long.
    """
    if isnan(seconds) or seconds < SHORTEST_HALF_LIFE_S:
        raise UsageError(
            f"A half-life of {seconds:g} s would forget all usage and so switch fair share off: "
            "give at least 1 hour, usually 7 or 14 days."
        )
    if seconds > LONGEST_HALF_LIFE_S:
        raise UsageError("A half-life of more than 10 years never forgives: give at most 3660 days.")
    return seconds


def decayed(usage: Usage, at: float, half_life_s: float) -> Usage:
    """Return the usage as of `at`; a time before its own leaves it as it is."""
    elapsed = at - usage.at
    if elapsed <= 0:
        return usage
    return Usage(amount=usage.amount * 2.0 ** (-elapsed / half_life_s), at=at)


def merged(one: Usage, other: Usage, half_life_s: float) -> Usage:
    """Return both together, as of the later time."""
    at = max(one.at, other.at)
    a, b = decayed(one, at, half_life_s), decayed(other, at, half_life_s)
    return Usage(amount=a.amount + b.amount, at=at)


def charged(charge: Charge, at: float, half_life_s: float) -> Usage:
    """Return what a stretch comes to as of `at`: the decayed integral of its rate up to then."""
    until = at if charge.until is None else min(charge.until, at)
    held_s = until - charge.since
    if held_s <= 0:
        return Usage(at=at)
    whole = charge.rate * half_life_s / log(2) * -expm1(-log(2) * held_s / half_life_s)
    return decayed(Usage(amount=whole, at=until), at, half_life_s)


def total(usages: Iterable[Usage], at: float, half_life_s: float) -> Usage:
    """Return the sum as of `at`."""
    return Usage(amount=sum(decayed(usage, at, half_life_s).amount for usage in usages), at=at)


def standing(
    ledger: Mapping[tuple[str, str], Usage],
    running: Iterable[tuple[tuple[str, str], Charge]],
    *,
    at: float,
    half_life_s: float,
) -> dict[tuple[str, str], float]:
    """Return the usage of every association as of `at`, running jobs included as far as they have come."""
    sums = {key: decayed(usage, at, half_life_s).amount for key, usage in ledger.items()}
    for key, charge in running:
        sums[key] = sums.get(key, 0.0) + charged(charge, at, half_life_s).amount
    return sums


def back_to_due_s(*, due: float, usage: float, others: float, others_rate: float, half_life_s: float) -> float | None:
    """Return in how many seconds who is over its due is back to it; 0 if it is not over, None if never.

    It is assumed to run nothing while its siblings go on as now, at `others_rate` billing units a second.
    With x = 2^(-t/H) and R = others_rate * H / ln 2: usage x = due (usage x + others x + R (1 - x)).
    """
    if usage <= due * (usage + others):
        return 0.0
    grown = due * others_rate * half_life_s / log(2)
    if grown <= 0:
        return None
    return half_life_s * log2((usage - due * (usage + others) + grown) / grown)


def within(charges: Iterable[Charge], since: float, until: float) -> float:
    """Return the undecayed rate-seconds of stretches inside [since, until)."""
    return sum(
        c.rate * max(0.0, min(until, until if c.until is None else c.until) - max(since, c.since)) for c in charges
    )


def period_start(now: float, period_s: float) -> float:
    """Return when the present period began; periods are counted from the Unix epoch."""
    return now - now % period_s
