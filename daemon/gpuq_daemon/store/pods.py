"""Pods of attempts: which they were, where, from when to when, and how they ended. Kept for as long as the attempts."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

from sqlite_utils import Database as Tables

from gpuq_daemon.store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class PodRow:
    """A pod and the attempt that it is of; what cannot be known is None.

    `first_seen` and `last_seen` are when gpuqd first and last was told of it, `gone_at` when it found it gone.
    `disagrees` is what the pod says of itself that is not so.
    """

    uid: str
    job_id: int
    attempt: int
    namespace: str
    name: str
    role: str | None
    executor_id: str | None
    application_id: str | None
    container_id: str | None
    owner_uid: str | None
    node: str | None
    phase: str
    waits_for: str | None
    exit_code: int | None
    reason: str | None
    disagrees: str | None
    first_seen: float
    last_seen: float
    gone_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptKey:
    """An attempt by its number, with the application that its driver has told of."""

    job_id: int
    number: int
    application_id: str | None


_COLUMNS = tuple(PodRow.__dataclass_fields__)
# A pod is first seen once, and what its end was stays known when its last event does not say so.
_KEEP = f"""INSERT INTO pods ({", ".join(_COLUMNS)}) VALUES ({", ".join(f":{name}" for name in _COLUMNS)})
    ON CONFLICT (uid) DO UPDATE SET
      {", ".join(f"{name} = excluded.{name}" for name in ("phase", "waits_for", "disagrees", "gone_at"))},
      {", ".join(f"{n} = coalesce(excluded.{n}, {n})" for n in ("node", "container_id", "exit_code", "reason"))},
      last_seen = max(last_seen, excluded.last_seen)"""
_FIND = f"SELECT {', '.join(_COLUMNS)} FROM pods"


class PodStore:
    """The pods of all attempts."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def keep(self, rows: Sequence[PodRow]) -> None:
        """Take in pods as they are now; durable when this returns, and safe to repeat."""
        await self._db.write(partial(_keep, rows))

    async def sweep(self, partition: str, there: Collection[str], *, now: float) -> list[str]:
        """Note as gone which of a partition's pods are not there any more; return their uids."""
        known = self._db.rows(
            """SELECT p.uid FROM pods p JOIN jobs j ON j.id = p.job_id
               WHERE j.partition = :partition AND p.gone_at IS NULL""",
            {"partition": partition},
        )
        lost = [row["uid"] for row in known if row["uid"] not in there]
        if lost:
            await self._db.write(partial(_lose, lost, now))
        return lost

    def of_job(self, job_id: int, attempt: int) -> list[PodRow]:
        """Return the pods of an attempt, the driver's first, in the order they were seen."""
        rows = self._db.rows(
            f"{_FIND} WHERE job_id = :job_id AND attempt = :attempt ORDER BY role IS NOT 'driver', first_seen, name",
            {"job_id": job_id, "attempt": attempt},
        )
        return [PodRow(**row) for row in rows]

    def pod(self, uid: str) -> PodRow | None:
        """Return a pod by its uid."""
        rows = self._db.rows(f"{_FIND} WHERE uid = :uid", {"uid": uid})
        return PodRow(**rows[0]) if rows else None

    def pods(self, uids: Sequence[str]) -> list[PodRow]:
        """Return those of the pods that are known, in no order."""
        rows = self._db.rows(
            f"{_FIND} WHERE uid IN (SELECT value FROM json_each(:uids))", {"uids": json.dumps(list(uids))}
        )
        return [PodRow(**row) for row in rows]

    def of_token(self, partition: str, token: str) -> AttemptKey | None:
        """Return the attempt on a partition that has a token."""
        return self._attempt(partition, "a.token = :value", token)

    def of_application(self, partition: str, application_id: str) -> AttemptKey | None:
        """Return the attempt on a partition whose driver has told of an application."""
        return self._attempt(partition, "a.application_id = :value", application_id)

    def _attempt(self, partition: str, where: str, value: str) -> AttemptKey | None:
        rows = self._db.rows(
            f"""SELECT a.job_id, a.number, a.application_id FROM attempts a JOIN jobs j ON j.id = a.job_id
                WHERE {where} AND j.partition = :partition ORDER BY a.started_at DESC LIMIT 1""",
            {"value": value, "partition": partition},
        )
        return AttemptKey(**rows[0]) if rows else None


def _keep(rows: Sequence[PodRow], tables: Tables) -> None:
    for row in rows:
        tables.execute(_KEEP, {name: getattr(row, name) for name in _COLUMNS})


def _lose(uids: Sequence[str], now: float, tables: Tables) -> None:
    for uid in uids:
        tables.execute("UPDATE pods SET gone_at = :now WHERE uid = :uid AND gone_at IS NULL", {"now": now, "uid": uid})
