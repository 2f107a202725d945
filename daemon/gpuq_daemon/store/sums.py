"""What was used and waited, added up in the transaction in which it happens; it stays when jobs are removed.

The statements are those of the schema that brought the tables, for one attempt.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Literal

from sqlite_utils import Database as Tables

from gpuq_daemon.policy.rollup import by_day, day_of, wait_band

_US = "CAST(round(coalesce(a.charged_gpu_s, 0) * 1e6) AS INTEGER)"
_OF = "j.account, j.user, j.partition, a.gpu_type, j.qos, j.workers * j.gpus_per_worker AS gpus"
_KEY = "day, account, user, partition, gpu_type, qos, gpus"
_THIS = "a.job_id = :job_id AND a.number = :number"
_HELD = f"""
INSERT INTO used ({_KEY}, ended_as, gpu_us, jobs, attempts)
SELECT CAST(d.key AS INTEGER), {_OF}, a.ended_as, :sign * d.value,
       :sign * (CAST(d.key AS INTEGER) = utc_day(a.ended_at) AND a.ended_as NOT IN ('RETRIED', 'REQUEUED')),
       :sign * (CAST(d.key AS INTEGER) = utc_day(a.ended_at))
FROM attempts a JOIN jobs j ON j.id = a.job_id, json_each(day_parts(a.started_at, a.ended_at, {_US})) d
WHERE {_THIS} AND a.ended_as IS NOT NULL
ON CONFLICT DO UPDATE SET gpu_us = gpu_us + excluded.gpu_us, jobs = jobs + excluded.jobs,
                          attempts = attempts + excluded.attempts"""
_STOOD = f"""
INSERT INTO used ({_KEY}, ended_as, idle_us, restart_us)
SELECT CAST(d.key AS INTEGER), t.account, t.user, t.partition, t.gpu_type, t.qos, t.gpus, t.ended_as,
       :sign * d.value * (t.number = 1), :sign * d.value * (t.number > 1)
FROM (SELECT {_OF}, a.ended_as, a.number, a.started_at, min(coalesce(a.running_at, a.ended_at), a.ended_at) AS began,
             CAST(a.charged_gpu_s * 1e6 / max(a.ended_at - a.started_at, 1e-9)
               * max(0, min(coalesce(a.running_at, a.ended_at), a.ended_at) - a.started_at) AS INTEGER) AS us
      FROM attempts a JOIN jobs j ON j.id = a.job_id
      WHERE {_THIS} AND a.ended_as NOT IN ('FAILED', 'RETRIED') AND a.charged_gpu_s > 0) t,
     json_each(day_parts(t.started_at, t.began, t.us)) d
WHERE t.us > 0
ON CONFLICT DO UPDATE SET idle_us = idle_us + excluded.idle_us, restart_us = restart_us + excluded.restart_us"""
_WAITED = f"""
INSERT INTO waited
SELECT utc_day(t.started_at), t.account, t.user, t.partition, t.gpu_type, t.qos, t.gpus, wait_band(t.wait_s), 1,
       CAST(round(t.wait_s * 1e6) AS INTEGER), t.wait_s
FROM (SELECT {_OF}, a.started_at, max(0.0, a.started_at - max(j.submitted_at, coalesce(j.begin_at, 0))) AS wait_s
      FROM attempts a JOIN jobs j ON j.id = a.job_id WHERE a.job_id = :job_id AND a.number = 1 AND j.attempt = 1) t
WHERE true
ON CONFLICT DO UPDATE SET jobs = jobs + 1, sum_us = sum_us + excluded.sum_us,
                          longest_s = max(longest_s, excluded.longest_s)"""
_THOSE = "a.job_id IN (SELECT value FROM json_each(:ids))"
_FORGET = """
DELETE FROM used WHERE (gpu_us, idle_us, restart_us, jobs, attempts) = (0, 0, 0, 0, 0)
  AND day >= (SELECT utc_day(min(started_at, ended_at)) FROM attempts WHERE job_id = :job_id AND number = :number)
  AND day <= (SELECT utc_day(ended_at) FROM attempts WHERE job_id = :job_id AND number = :number)"""
_REMOVED = f"""
UPDATE rolled_up SET
  jobs = jobs + (SELECT count(*) FROM attempts a WHERE {_THOSE} AND a.ended_as NOT IN ('RETRIED', 'REQUEUED')),
  attempts = attempts + (SELECT count(*) FROM attempts a WHERE {_THOSE}),
  gpu_us = gpu_us + (SELECT coalesce(sum({_US}), 0) FROM attempts a WHERE {_THOSE})
"""
_AGAIN = """
UPDATE attempts SET ended_as = CASE ended_as WHEN 'FAILED' THEN 'RETRIED' ELSE 'REQUEUED' END
WHERE job_id = :job_id AND number = :number"""

EVERY_END = f"""SELECT coalesce(sum(a.ended_as NOT IN ('RETRIED', 'REQUEUED')), 0) AS jobs, count(*) AS attempts,
                       coalesce(sum({_US}), 0) AS gpu_us
                FROM attempts a WHERE a.ended_at IS NOT NULL"""
"""Jobs, attempts and microseconds of the attempts that have ended, of the jobs that are kept."""


def add_functions(connection: sqlite3.Connection) -> None:
    """Let statements on a connection know of days and bands."""
    connection.create_function("utc_day", 1, day_of, deterministic=True)
    connection.create_function("wait_band", 1, wait_band, deterministic=True)
    connection.create_function("day_parts", 3, _day_parts, deterministic=True)


def count_start(tables: Tables, job_id: int) -> None:
    """Count how long a job has waited, if it has just started for the first time."""
    tables.execute(_WAITED, {"job_id": job_id})


def count_end(tables: Tables, job_id: int, number: int) -> None:
    """Count an attempt that has just ended."""
    _count(tables, job_id, number, 1)


def count_again(tables: Tables, job_id: int, number: int) -> None:
    """Count the last attempt of a job that had ended, and is to run again, as one of those that others follow."""
    _count(tables, job_id, number, -1)
    named = {"job_id": job_id, "number": number}
    tables.execute(_FORGET, named)
    tables.execute(_AGAIN, named)
    _count(tables, job_id, number, 1)


def note_removed(tables: Tables, job_ids: str) -> None:
    """Note what jobs, given as JSON, are counted with that are about to be removed."""
    tables.execute(_REMOVED, {"ids": job_ids})


def _count(tables: Tables, job_id: int, number: int, sign: Literal[-1, 1]) -> None:
    named = {"job_id": job_id, "number": number, "sign": sign}
    tables.execute(_HELD, named)
    tables.execute(_STOOD, named)


def _day_parts(started_at: float, ended_at: float, amount: int) -> str:
    return json.dumps(by_day(started_at, ended_at, amount))
