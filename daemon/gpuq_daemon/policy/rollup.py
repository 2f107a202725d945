"""How the charge of an attempt is spread over days, so that nothing is lost or counted twice, and waits are banded."""

from __future__ import annotations

DAY_S = 86_400
_MOST_DAYS = 3_660  # an attempt that seems to have run longer is a clock that was wrong: its charge stands at its end


def day_of(at: float) -> int:
    """Return the UTC day of a time in Unix seconds, in days since 1970-01-01."""
    return int(at // DAY_S)


def by_day(started_at: float, ended_at: float, amount: int) -> dict[int, int]:
    """Return an amount that was used evenly from start to end by UTC day; the parts add up to exactly `amount`."""
    first, last = day_of(started_at), day_of(ended_at)
    if not 0 < last - first <= _MOST_DAYS:
        return {last: amount}
    parts: dict[int, int] = {}
    given = 0
    for day in range(first, last):
        part_of_time = ((day + 1) * DAY_S - started_at) / (ended_at - started_at)
        until = max(given, min(amount, int(amount * part_of_time)))
        parts[day] = until - given
        given = until
    return {**parts, last: amount - given}


def wait_band(wait_s: float) -> int:
    """Return the least whole second of the band in which a wait lies: a band spans a quarter of itself at most.

    Below ten seconds a band is one; from there on it begins at 10, 12, ... 20, 25, ... 50, 60, ... 100, 120, ...
    """
    whole, scale = max(0, int(wait_s)), 1
    while whole >= 100:
        whole //= 10
        scale *= 10
    width = 1 if whole < 10 else 2 if whole < 20 else 5 if whole < 50 else 10
    return whole // width * width * scale
