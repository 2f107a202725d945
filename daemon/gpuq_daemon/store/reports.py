"""What was used, wasted and waited, added up over days: read off the accounting, jobs that are gone included.

A day is a UTC day, counted from 1970-01-01. GPU time is spread over the days in which it was held.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from gpuq_daemon.policy.rollup import DAY_S, by_day, day_of

COLUMNS = ("account", "user", "partition", "gpu_type")

# An attempt that runs is charged up to now. What is not the last attempt was lost to a restart; what a job of these
# states held last was for nothing.
_ATTEMPTS = """
  SELECT j.account, j.user, j.partition, a.gpu_type, a.started_at AS begun, coalesce(a.ended_at, :now) AS ended,
         coalesce(a.charged_gpu_s, (:now - a.started_at) * (SELECT coalesce(sum(l.gpus), 0) FROM allocations l
           WHERE l.job_id = a.job_id AND l.attempt = a.number)) AS gpu_s,
         a.number < j.attempt AS is_lost,
         a.number = j.attempt AND j.state IN ('FAILED', 'TIMEOUT', 'DEADLINE') AS is_failed,
         a.number = j.attempt AND j.ended_at IS NOT NULL AS is_last
  FROM attempts a JOIN jobs j ON j.id = a.job_id
  WHERE a.started_at < :until AND coalesce(a.ended_at, :now) >= :since
    AND (:user IS NULL OR j.user = :user) AND (:account IS NULL OR j.account = :account)"""
# Those that begin and end on one day are added up by SQLite, which lets the rest of gpuqd go on meanwhile.
_SUMS = f"""
  SELECT account, user, partition, gpu_type, CAST(ended / {DAY_S} AS INTEGER), sum(gpu_s), sum(gpu_s * is_failed),
         sum(gpu_s * is_lost), sum(is_last)
  FROM ({_ATTEMPTS}) WHERE CAST(begun / {DAY_S} AS INTEGER) = CAST(ended / {DAY_S} AS INTEGER) GROUP BY 1, 2, 3, 4, 5"""
_LONG = f"""
  SELECT account, user, partition, gpu_type, begun, ended, gpu_s, is_failed, is_lost, is_last
  FROM ({_ATTEMPTS}) WHERE CAST(begun / {DAY_S} AS INTEGER) <> CAST(ended / {DAY_S} AS INTEGER)"""
_GONE = """
  SELECT account, user, partition, gpu_type, day, gpu_us / 1e6, jobs FROM rollup
  WHERE day BETWEEN :first AND :last
    AND (:user IS NULL OR user = :user) AND (:account IS NULL OR account = :account)"""
_WAITS = """
  SELECT {by}, count(*), max(wait), max(CASE WHEN place = (n + 1) / 2 THEN wait END),
         max(CASE WHEN place = (19 * n + 19) / 20 THEN wait END)
  FROM (SELECT *, row_number() OVER (PARTITION BY {by} ORDER BY wait) AS place, count(*) OVER (PARTITION BY {by}) AS n
        FROM (SELECT j.account, j.user, j.partition, a.gpu_type,
                     a.started_at - max(j.submitted_at, coalesce(j.begin_at, 0)) AS wait, {day} AS day
              FROM attempts a JOIN jobs j ON j.id = a.job_id
              WHERE a.number = 1 AND a.started_at >= :since AND a.started_at < :until
                AND (:user IS NULL OR j.user = :user) AND (:account IS NULL OR j.account = :account)))
  GROUP BY {by}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which use: from `since` to `until` (Unix seconds), added up `by` some of `COLUMNS`; None is anybody's."""

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
    """How long jobs waited for their first start, in seconds: the longest, the median, and what 95 of 100 kept to."""

    jobs: int
    longest_s: float
    p50_s: float
    p95_s: float


Key = tuple[str, ...]
Per = Literal["total", "day", "week", "month"]
# The day by which a period is known; 1970-01-01 was a Thursday, and weeks begin on Monday.
_FIRST_DAY: dict[Per, str] = {
    "total": "0",
    "day": f"CAST(a.started_at / {DAY_S} AS INTEGER)",
    "week": f"(CAST(a.started_at / {DAY_S} AS INTEGER) + 3) / 7 * 7 - 3",
    "month": f"CAST(strftime('%s', a.started_at, 'unixepoch', 'start of month') / {DAY_S} AS INTEGER)",
}


def use(connection: sqlite3.Connection, asked: Asked, now: float) -> dict[tuple[Key, int], Use]:
    """Return what was used by (the values of `by`, day)."""
    sums = defaultdict[tuple[Key, int], Use](Use)
    first, last = day_of(asked.since), day_of(asked.until)
    places = [COLUMNS.index(name) for name in asked.by]
    for payer, day, gpu_s, failed, lost, jobs in _parts(connection, asked, now):
        if first <= day <= last:
            held = sums[tuple(payer[place] for place in places), day]
            held.gpu_s += gpu_s
            held.failed_gpu_s += failed
            held.lost_gpu_s += lost
            held.jobs += jobs
    return dict(sums)


def _parts(
    connection: sqlite3.Connection, asked: Asked, now: float
) -> Iterator[tuple[Key, int, float, float, float, int]]:
    params = {"since": asked.since, "until": asked.until, "now": now, "user": asked.user, "account": asked.account}
    days = {"first": day_of(asked.since), "last": day_of(asked.until)}
    for *payer, day, gpu_s, failed, lost, jobs in connection.execute(_SUMS, params):
        yield tuple(payer), day, gpu_s, failed, lost, jobs
    for *payer, begun, ended, gpu_s, is_failed, is_lost, is_last in connection.execute(_LONG, params):
        for day, part_us in by_day(begun, ended, round(gpu_s * 1e6)).items():
            part = part_us / 1e6
            yield tuple(payer), day, part, part * is_failed, part * is_lost, int(is_last and day == day_of(ended))
    for *payer, day, gpu_s, jobs in connection.execute(_GONE, params | days):
        yield tuple(payer), day, gpu_s, 0.0, 0.0, jobs


def waits(connection: sqlite3.Connection, asked: Asked, per: Per = "total") -> dict[tuple[Key, int], Wait]:
    """Return how long those waited who started in that time, by (the values of `by`, a day of the period).

    Without jobs that are gone.
    """
    params = {"since": asked.since, "until": asked.until, "user": asked.user, "account": asked.account}
    by = ", ".join((*asked.by, "day"))
    found: dict[tuple[Key, int], Wait] = {}
    for *key, day, jobs, longest, p50, p95 in connection.execute(_WAITS.format(by=by, day=_FIRST_DAY[per]), params):
        found[tuple(key), day] = Wait(jobs=jobs, longest_s=longest, p50_s=p50, p95_s=p95)
    return found
