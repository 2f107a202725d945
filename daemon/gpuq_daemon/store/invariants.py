"""What must hold in the databases, whatever has happened; each check reads, and none changes anything."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gpuq.errors import UnavailableError
from gpuq_daemon.store.copies import read_only
from gpuq_daemon.store.job_rows import HOLDING
from gpuq_daemon.store.sums import EVERY_END

_MOST_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at; `wrong` says what is wrong with it, None if nothing is."""

    what: str
    wrong: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """An attempt that has not ended, and who leads it as far as the queue knows; None: nobody yet."""

    job_id: int
    number: int
    shim: str | None


# Each question names what breaks the rule, one a row.
_STATE = {
    "every job that runs has one attempt that has not ended": f"""
        SELECT 'job ' || j.id FROM jobs j WHERE j.state IN {HOLDING} AND 1 <>
          (SELECT count(*) FROM attempts a WHERE a.job_id = j.id AND a.number = j.attempt AND a.ended_at IS NULL)""",
    "every other attempt has ended": f"""
        SELECT 'job ' || a.job_id || ', attempt ' || a.number FROM attempts a JOIN jobs j ON j.id = a.job_id
        WHERE a.ended_at IS NULL AND NOT (j.state IN {HOLDING} AND a.number = j.attempt)""",
    "every job that runs holds GPUs": f"""
        SELECT 'job ' || j.id FROM jobs j WHERE j.state IN {HOLDING} AND NOT EXISTS
          (SELECT 1 FROM allocations l WHERE l.job_id = j.id AND l.attempt = j.attempt)""",
    "what has ended has the time of its end, and nothing else has": f"""
        SELECT 'job ' || id FROM jobs
        WHERE (ended_at IS NULL) IS NOT (state = 'PENDING' OR state IN {HOLDING})""",
    "every ended attempt is charged for the GPUs it held, once": """
        SELECT 'job ' || a.job_id || ', attempt ' || a.number FROM attempts a
        WHERE (a.ended_at IS NULL) IS NOT (a.charged_gpu_s IS NULL) OR a.ended_at IS NOT NULL AND
          abs(a.charged_gpu_s - max(0, a.ended_at - a.started_at) * (SELECT coalesce(sum(gpus), 0) FROM allocations l
            WHERE l.job_id = a.job_id AND l.attempt = a.number)) > 1e-3 * (1 + a.charged_gpu_s)""",
    "no usage is below zero": "SELECT account || '/' || user FROM usage WHERE NOT amount BETWEEN 0 AND 1e300",
    "no job has a number that is still to be given": """
        SELECT 'job ' || id FROM jobs WHERE id > (SELECT seq FROM sqlite_sequence WHERE name = 'jobs')""",
    "as many jobs are counted as wait": """
        SELECT user || ' in ' || account FROM (
          SELECT user, account, qos, jobs FROM queued WHERE jobs > 0
          UNION ALL SELECT user, account, qos, -count(*) FROM jobs WHERE state = 'PENDING' GROUP BY 1, 2, 3)
        GROUP BY user, account, qos HAVING sum(jobs) <> 0""",
    "what is added up by day is what jobs were charged, to the last microsecond": f"""
        SELECT 'the sums by day' FROM rolled_up r, ({EVERY_END}) kept
        WHERE (r.jobs + kept.jobs, r.attempts + kept.attempts, r.gpu_us + kept.gpu_us) IS NOT
          (SELECT coalesce(sum(jobs), 0), coalesce(sum(attempts), 0), coalesce(sum(gpu_us), 0) FROM used)
        UNION ALL SELECT 'what removed jobs were charged' WHERE NOT EXISTS (SELECT 1 FROM rolled_up)""",
    "no job is both kept and removed": "SELECT 'job ' || job_id FROM leaving WHERE job_id IN (SELECT id FROM jobs)",
    "every script is some job's": """
        SELECT 'script ' || substr(sha256, 1, 12) FROM scripts
        WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE script_sha256 = sha256)
          AND NOT EXISTS (SELECT 1 FROM jobs WHERE code_sha256 = sha256)""",
}
_METRICS = {
    "every series has the points it counts": """
        SELECT 'job ' || s.job_id || ', ' || s.tag FROM series s WHERE s.count <>
          (SELECT coalesce(sum(c.count), 0) FROM chunk c WHERE c.series_id = s.id) +
          (SELECT count(*) FROM histogram h WHERE h.series_id = s.id)""",
}


def state_findings(path: Path) -> Iterator[Finding]:
    """Look through the queue and the accounting."""
    yield from _findings(path, _STATE)


def metrics_findings(path: Path) -> Iterator[Finding]:
    """Look through the points."""
    yield from _findings(path, _METRICS)


def active_claims(path: Path) -> list[Claimed]:
    """Return the attempts that have not ended, by job.

    Raises:
        UnavailableError: the file cannot be read.
    """
    with read_only(path) as db:
        rows = db.execute(
            f"""SELECT j.id, a.number, a.shim FROM jobs j JOIN attempts a ON a.job_id = j.id AND a.number = j.attempt
                WHERE j.state IN {HOLDING} ORDER BY j.id"""
        )
        return [Claimed(job_id=job_id, number=number, shim=shim) for job_id, number, shim in rows]


def last_attempts(path: Path) -> tuple[int, dict[int, int]]:
    """Return the highest job number that was given, and by job the number of its last attempt.

    Raises:
        UnavailableError: the file cannot be read.
    """
    with read_only(path) as db:
        row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'jobs'").fetchone()
        return (0 if row is None else row[0]), dict(db.execute("SELECT id, attempt FROM jobs"))


def known_jobs(path: Path) -> set[int]:
    """Return the jobs whose files may be there: those that are kept, and those that are just being removed.

    Raises:
        UnavailableError: the file cannot be read.
    """
    with read_only(path) as db:
        has_leaving = db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'leaving'").fetchone() is not None
        sql = "SELECT id FROM jobs" + (" UNION SELECT job_id FROM leaving" if has_leaving else "")
        return {job_id for (job_id,) in db.execute(sql)}


def give_no_number_below(path: Path, job_id: int) -> None:
    """Make the next job's number larger than `job_id`, in a file that nobody uses."""
    with sqlite3.connect(path) as db:
        if not db.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'jobs'", (job_id,)).rowcount:
            db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('jobs', ?)", (job_id,))
    db.close()


def _findings(path: Path, questions: dict[str, str]) -> Iterator[Finding]:
    what = f"{path.name} can be read, page by page"
    try:
        with read_only(path) as db:
            damage = [row[0] for row in db.execute("PRAGMA integrity_check(5)") if row[0] != "ok"]
            yield Finding(what=what, wrong="; ".join(" ".join(one.split()) for one in damage) or None)
            if damage:
                return
            orphans = [f"{table} row {row}" for table, row, *_ in db.execute("PRAGMA foreign_key_check")]
            yield Finding(what=f"{path.name} refers to nothing that is missing", wrong=_some(orphans))
            for what, sql in questions.items():
                try:
                    yield Finding(what=what, wrong=_some([row[0] for row in db.execute(sql)]))
                except sqlite3.OperationalError as error:
                    if "no such" not in str(error):
                        raise
                    yield Finding(what=f"{what} (of this older state, not kept yet)")
    except UnavailableError as error:
        yield Finding(what=what, wrong=str(error))


def _some(names: list[str]) -> str | None:
    """Return a few names, and how many more there are; None for none."""
    if not names:
        return None
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
