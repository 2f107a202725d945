"""Jobs that have ended long ago leave, in one transaction each step; what they are counted with stays in the sums."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from sqlite_utils import Database as Tables

from gpuq_daemon.store.copies import read_only
from gpuq_daemon.store.database import Database
from gpuq_daemon.store.job_rows import dependencies_of
from gpuq_daemon.store.sums import note_removed

What = Literal["points", "logs"]
BEGINNING = (-1e300, 0)  # of the order of ends: (time, job)
_FINAL = "('COMPLETED', 'FAILED', 'CANCELLED', 'TIMEOUT', 'DEADLINE')"
_DEPENDENT = """SELECT waits_for FROM jobs
                WHERE waits_for IS NOT NULL AND state IN ('PENDING', 'CONFIGURING', 'RUNNING', 'COMPLETING')"""
# Old as a whole: with all its attempts, and of an array with all tasks, since others may wait for the array.
_OLD = f"""SELECT j.id, j.array_id FROM jobs j
           WHERE j.id IN (SELECT value FROM json_each(:ids)) AND j.state IN {_FINAL} AND j.ended_at < :before
             AND j.submitted_at < :before AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.job_id = j.id
                             AND (a.ended_at IS NULL OR a.ended_at >= :before))"""
_YOUNG_ARRAYS = """SELECT DISTINCT t.array_id FROM jobs t
                   WHERE t.array_id IN (SELECT value FROM json_each(:arrays))
                     AND (t.ended_at IS NULL OR t.ended_at >= :before)"""
_GO = """ WHERE {column} IN (SELECT value FROM json_each(:ids))"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A job that has ended, whose it is by number, and how many attempts it had."""

    job_id: int
    uid: int
    attempt: int
    ended_at: float

    @property
    def place(self) -> tuple[float, int]:
        """Its place in the order of ends."""
        return self.ended_at, self.job_id


class RetentionStore:
    """Questions are asked over a connection of their own, and may be asked in any thread."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def first_young(self, *, before: float, now: float) -> int:
        """Return a number from which on every job was queued since `before`, whatever its own times say.

        Numbers grow, so a job after one that was queued lately is young too: its times are those of a clock that was
        set back.

        Raises:
            UnavailableError: the file cannot be read.
        """
        with read_only(self._db.path) as db:
            sql = "SELECT id FROM jobs WHERE submitted_at BETWEEN :before AND :now ORDER BY id LIMIT 1"
            row = db.execute(sql, {"before": before, "now": now}).fetchone()
        return 2**62 if row is None else row[0]

    def ended(
        self, *, before: float, below: int = 2**62, after: tuple[float, int] = BEGINNING, limit: int
    ) -> list[Ended]:
        """Return jobs below a number that ended before a time, after a place in the order of ends, in that order.

        Raises:
            UnavailableError: the file cannot be read.
        """
        with read_only(self._db.path) as db:
            rows = db.execute(
                """SELECT id, uid, attempt, ended_at FROM jobs
                   WHERE ended_at IS NOT NULL AND ended_at < :before AND (ended_at, id) > (:at, :id) AND +id < :below
                   ORDER BY ended_at, id LIMIT :limit""",
                {"before": before, "below": below, "at": after[0], "id": after[1], "limit": limit},
            )
            return [Ended(job_id=row[0], uid=row[1], attempt=row[2], ended_at=row[3]) for row in rows]

    def removable(self, job_ids: Sequence[int], *, before: float) -> list[int]:
        """Return those of the jobs that nobody needs: all of it ended before, and nothing waits for it.

        Raises:
            UnavailableError: the file cannot be read.
        """
        with read_only(self._db.path) as db:
            return _removable(db, job_ids, before)

    async def remove(self, job_ids: Sequence[int], *, before: float) -> list[int]:
        """Remove rows of jobs and note that their points and files are to go; return those that went.

        What has come to be needed since `removable` stays.
        """
        return await self._db.write(partial(_remove, job_ids=job_ids, before=before))

    def leaving(self, *, after: int = 0, limit: int) -> list[tuple[int, int]]:
        """Return (job, its owner's uid) of removed jobs whose points and files have still to go, by job.

        Raises:
            UnavailableError: the file cannot be read.
        """
        with read_only(self._db.path) as db:
            sql = "SELECT job_id, uid FROM leaving WHERE job_id > :after ORDER BY job_id LIMIT :limit"
            return db.execute(sql, {"after": after, "limit": limit}).fetchall()

    async def left(self, job_id: int) -> None:
        """Note that nothing of a removed job is there any more."""
        await self._db.write(lambda tables: tables.execute("DELETE FROM leaving WHERE job_id = :id", {"id": job_id}))

    def reached(self, what: What) -> tuple[float, int]:
        """Return up to which place in the order of ends points, or logs, are removed.

        Raises:
            UnavailableError: the file cannot be read.
        """
        return self._noted(what) or BEGINNING

    def sure_time(self) -> float | None:
        """Return the time that was sure to have come when that was last noted, None if it never was.

        Raises:
            UnavailableError: the file cannot be read.
        """
        noted = self._noted("time")
        return None if noted is None else noted[0]

    async def note(self, what: Literal["points", "logs", "time"], at: float, job_id: int = 0) -> None:
        """Keep how far points or logs are removed, or the time that is sure to have come."""
        sql = """INSERT INTO retention VALUES (:what, :at, :job_id)
                 ON CONFLICT DO UPDATE SET at = excluded.at, job_id = excluded.job_id"""
        await self._db.write(lambda tables: tables.execute(sql, {"what": what, "at": at, "job_id": job_id}))

    def _noted(self, what: str) -> tuple[float, int] | None:
        with read_only(self._db.path) as db:
            return db.execute("SELECT at, job_id FROM retention WHERE what = :what", {"what": what}).fetchone()


def _removable(db: Any, job_ids: Iterable[int], before: float) -> list[int]:
    old = db.execute(_OLD, {"ids": json.dumps(list(job_ids)), "before": before}).fetchall()
    if not old:
        return []
    arrays = json.dumps(sorted({array_id for _, array_id in old if array_id is not None}))
    young = {array_id for (array_id,) in db.execute(_YOUNG_ARRAYS, {"arrays": arrays, "before": before})}
    needed = {
        target
        for (waits_for,) in db.execute(_DEPENDENT)
        for dependency in dependencies_of(waits_for)
        for target in dependency.targets
    }
    return [
        job_id
        for job_id, array_id in old
        if job_id not in needed and (array_id is None or (array_id not in young and -array_id not in needed))
    ]


def _remove(tables: Tables, job_ids: Sequence[int], before: float) -> list[int]:
    gone = _removable(tables, job_ids, before)
    named = {"ids": json.dumps(gone)}
    note_removed(tables, named["ids"])
    tables.execute("INSERT INTO leaving SELECT id, uid FROM jobs" + _GO.format(column="id"), named)
    scripts = json.dumps(
        [
            sha
            for column in ("script_sha256", "code_sha256")
            for (sha,) in tables.execute(f"SELECT DISTINCT {column} FROM jobs" + _GO.format(column="id"), named)
            if sha is not None
        ]
    )
    for table in ("ranks", "allocations", "pods", "attempts", "messages"):
        tables.execute(f"DELETE FROM {table}" + _GO.format(column="job_id"), named)
    tables.execute("DELETE FROM jobs" + _GO.format(column="id"), named)
    tables.execute(
        """DELETE FROM scripts WHERE sha256 IN (SELECT value FROM json_each(:scripts))
           AND NOT EXISTS (SELECT 1 FROM jobs WHERE script_sha256 = sha256)
           AND NOT EXISTS (SELECT 1 FROM jobs WHERE code_sha256 = sha256)""",
        {"scripts": scripts},
    )
    return gone
