"""Requests with a key of the client's: one that is sent again, since its answer was lost, queues no second job."""

from __future__ import annotations

from dataclasses import dataclass

from sqlite_utils import Database as Tables

from gpuq.errors import UsageError
from gpuq_daemon.store.database import Database

KEPT_S = 86_400.0
_FORGOTTEN_AT_ONCE = 4  # old keys for each new one: their number falls, and no request waits for many


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestKey:
    """What a user's client called a request, and the digest of what it asked for."""

    user: str
    key: str
    digest: str


def job_of_key(database: Database, key: RequestKey) -> int | None:
    """Return the job, of an array the first, that this request has queued before; None if it is new.

    Raises:
        UsageError: the key was given to another request.
    """
    rows = database.rows(
        "SELECT job_id, digest FROM request_keys WHERE user = :user AND key = :key", {"user": key.user, "key": key.key}
    )
    return _same(key, rows[0]["job_id"], rows[0]["digest"]) if rows else None


def queued_before(tables: Tables, key: RequestKey) -> int | None:
    """Return the same as `job_of_key`, within a transaction."""
    row = tables.execute(
        "SELECT job_id, digest FROM request_keys WHERE user = :user AND key = :key", {"user": key.user, "key": key.key}
    ).fetchone()
    return None if row is None else _same(key, row[0], row[1])


def remember(tables: Tables, key: RequestKey, job_id: int, now: float) -> None:
    """Keep the key for a day, and forget a few that are older."""
    tables.execute(
        """INSERT INTO request_keys (user, key, digest, job_id, at)
           VALUES (:user, :key, :digest, :job_id, :now)""",
        {"user": key.user, "key": key.key, "digest": key.digest, "job_id": job_id, "now": now},
    )
    tables.execute(
        """DELETE FROM request_keys WHERE (user, key) IN
           (SELECT user, key FROM request_keys WHERE at < :since ORDER BY at LIMIT :most)""",
        {"since": now - KEPT_S, "most": _FORGOTTEN_AT_ONCE},
    )


def _same(key: RequestKey, job_id: int, digest: str) -> int:
    if digest != key.digest:
        raise UsageError(
            f"The key {key.key} was given to another request, the one that queued job {job_id}: "
            "every new request needs a new key."
        )
    return job_id
