"""What was used, wasted and waited, by days: read off the sums that are kept of it, jobs that are gone included.

A day is a UTC day, counted from 1970-01-01. GPU time is spread over the days in which it was held.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from gpuq.sharing import WasteRow
from gpuq_daemon.policy.rollup import DAY_S, by_day, day_of
from gpuq_daemon.store.job_rows import HOLDING

_EPOCH = date(1970, 1, 1)
COLUMNS = ("account", "user", "partition", "gpu_type", "qos", "gpus")

_WHOSE = "(:user IS NULL OR user = :user) AND (:account IS NULL OR account = :account)"
# Lost to a restart is what ran again, for nothing what failed in the end.
_USED = """
  SELECT {columns}{day} AS first, sum(gpu_us) / 1e6,
         sum(CASE WHEN ended_as IN ('FAILED', 'TIMEOUT', 'DEADLINE') THEN gpu_us ELSE 0 END) / 1e6,
         sum(CASE WHEN ended_as IN ('RETRIED', 'REQUEUED') THEN gpu_us ELSE 0 END) / 1e6, sum(jobs)
  FROM used WHERE day BETWEEN :first AND :last AND {whose} GROUP BY {columns}first"""
# What runs is held so far.
_RUNS = f"""
  SELECT j.account, j.user, j.partition, a.gpu_type, j.qos, j.workers * j.gpus_per_worker, a.started_at,
         (:now - a.started_at) * (SELECT coalesce(sum(l.gpus), 0) FROM allocations l
           WHERE l.job_id = a.job_id AND l.attempt = a.number)
  FROM jobs j JOIN attempts a ON a.job_id = j.id AND a.number = j.attempt
  WHERE j.state IN {HOLDING} AND a.ended_at IS NULL AND a.started_at < :now
    AND (:user IS NULL OR j.user = :user) AND (:account IS NULL OR j.account = :account)"""
_WAITED = """
  SELECT {columns}{day} AS first, band, sum(jobs), sum(sum_us) / 1e6, max(longest_s)
  FROM waited WHERE day BETWEEN :first AND :last AND {whose} GROUP BY {columns}first, band
  ORDER BY {columns}first, band"""
_WASTE = """
  SELECT user, account, sum(gpu_us) / 1e6 AS held_gpu_s,
         sum(CASE WHEN ended_as IN ('FAILED', 'RETRIED') THEN gpu_us ELSE 0 END) / 1e6 AS failed_gpu_s,
         sum(idle_us) / 1e6 AS idle_gpu_s, sum(restart_us) / 1e6 AS restarts_gpu_s
  FROM used WHERE day >= :first GROUP BY user, account
  ORDER BY failed_gpu_s + idle_gpu_s + restarts_gpu_s DESC, user, account"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which use: the days of `since` to `until` (Unix seconds), added up `by` some of `COLUMNS`; None is anybody's."""

    since: float
    until: float
    by: tuple[str, ...]
    user: str | None = None
    account: str | None = None


@dataclass(slots=True)
class Use:
    """GPU-seconds held, those of jobs that failed, those lost to restarts, and how many jobs ended."""

    gpu_s: float = 0.0
    failed_gpu_s: float = 0.0
    lost_gpu_s: float = 0.0
    jobs: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """How long jobs waited for their first start, in seconds: the longest, and what 50, 90, 95, 99 of 100 kept to.

    The latter are the mean of a band of waits, which spans a quarter of itself at most.
    """

    jobs: int
    longest_s: float
    p50_s: float
    p90_s: float
    p95_s: float
    p99_s: float


Key = tuple[str, ...]
Per = Literal["total", "day", "week", "month"]
# The day by which a period is known; 1970-01-01 was a Thursday, and weeks begin on Monday.
FIRST_DAY: dict[Per, str] = {
    "total": "0",
    "day": "day",
    "week": "(day + 3) / 7 * 7 - 3",
    "month": f"CAST(strftime('%s', day * {DAY_S}, 'unixepoch', 'start of month') / {DAY_S} AS INTEGER)",
}


def use(connection: sqlite3.Connection, asked: Asked, now: float, per: Per = "day") -> dict[tuple[Key, int], Use]:
    """Return what was used by (the values of `by`, a day of the period)."""
    sums = defaultdict[tuple[Key, int], Use](Use)
    sql, params = _question(_USED, asked, per)
    for *key, day, gpu_s, failed, lost, jobs in connection.execute(sql, params):
        sums[tuple(map(str, key)), day] = Use(gpu_s=gpu_s, failed_gpu_s=failed, lost_gpu_s=lost, jobs=jobs)
    for key, day, gpu_s in _running(connection, asked, now):
        sums[key, first_day(day, per)].gpu_s += gpu_s
    return dict(sums)


def waits(connection: sqlite3.Connection, asked: Asked, per: Per = "total") -> dict[tuple[Key, int], Wait]:
    """Return how long those waited who started in that time, by (the values of `by`, a day of the period)."""
    bands = defaultdict[tuple[Key, int], list[tuple[int, float, float]]](list)
    sql, params = _question(_WAITED, asked, per)
    for *key, day, _, jobs, sum_s, longest_s in connection.execute(sql, params):
        bands[tuple(map(str, key)), day].append((jobs, sum_s, longest_s))
    return {place: _wait(found) for place, found in bands.items()}


def wasted(connection: sqlite3.Connection, *, since: float) -> list[WasteRow]:
    """Return what was held, and what of it for nothing, from the UTC day of `since` on; most waste first.

    No second counts twice: what failed is not also idle.
    """
    cursor = connection.execute(_WASTE, {"first": day_of(since)})
    names = [column[0] for column in cursor.description]
    return [WasteRow(**dict(zip(names, row, strict=True))) for row in cursor]


def first_day(day: int, per: Per) -> int:
    """Return the day by which the period is known in which a day lies, as the statements do."""
    match per:
        case "total":
            return 0
        case "day":
            return day
        case "week":
            return (day + 3) // 7 * 7 - 3
        case "month":
            return day - int(date_of(day)[8:]) + 1


def date_of(day: int) -> str:
    """Return a day as 2026-11-26."""
    return (_EPOCH + timedelta(days=day)).isoformat()


def _question(sql: str, asked: Asked, per: Per) -> tuple[str, dict[str, str | int | None]]:
    columns = "".join(f"{name}, " for name in asked.by)
    params = {
        "first": day_of(asked.since), "last": day_of(asked.until), "user": asked.user, "account": asked.account,
    }  # fmt: skip
    return sql.format(columns=columns, day=FIRST_DAY[per], whose=_WHOSE), params


def _running(connection: sqlite3.Connection, asked: Asked, now: float) -> Iterator[tuple[Key, int, float]]:
    first, last = day_of(asked.since), day_of(asked.until)
    places = [COLUMNS.index(name) for name in asked.by]
    params = {"now": now, "user": asked.user, "account": asked.account}
    for *payer, started_at, gpu_s in connection.execute(_RUNS, params):
        for day, part_us in by_day(started_at, now, round(gpu_s * 1e6)).items():
            if first <= day <= last:
                yield tuple(str(payer[place]) for place in places), day, part_us / 1e6


def _wait(bands: list[tuple[int, float, float]]) -> Wait:
    """Return what bands of waits, the shortest first, add up to: (jobs, the sum of their waits, the longest)."""
    jobs = sum(count for count, _, _ in bands)

    def kept(percent: int) -> float:
        place, seen = -(-jobs * percent // 100), 0
        for count, sum_s, _ in bands:
            seen += count
            if seen >= place:
                return sum_s / count
        return bands[-1][2]

    longest_s = max(longest for _, _, longest in bands)
    return Wait(jobs=jobs, longest_s=longest_s, p50_s=kept(50), p90_s=kept(90), p95_s=kept(95), p99_s=kept(99))
