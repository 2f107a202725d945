"""Promised starts as they were made, and what came of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlite_utils import Database as Tables

from gpuq_daemon.store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Promised:
    """What a job was promised `made_at` one time. `started_at` is when it started; None: it waits, or has left."""

    job_id: int
    made_at: float
    p50_at: float | None
    p90_at: float | None
    started_at: float | None = None
    left_at: float | None = None


class EstimateStore:
    """All promises of the last while. `last` is the latest of each job that waits."""

    def __init__(self, database: Database) -> None:
        self._db = database
        open_ = "SELECT * FROM estimates WHERE started_at IS NULL AND left_at IS NULL ORDER BY made_at"
        self.last: dict[int, Promised] = {row["job_id"]: Promised(**row) for row in database.rows(open_)}

    async def note(self, made: Iterable[Promised]) -> None:
        """Write down promises."""
        rows = list(made)
        values = [{name: getattr(one, name) for name in ("job_id", "made_at", "p50_at", "p90_at")} for one in rows]

        def write(tables: Tables) -> None:
            tables.conn.executemany(
                "INSERT OR REPLACE INTO estimates (job_id, made_at, p50_at, p90_at)"
                " VALUES (:job_id, :made_at, :p50_at, :p90_at)",
                values,
            )

        if rows:
            await self._db.write(write)
            self.last.update({one.job_id: one for one in rows})

    async def settle(self, starts: Mapping[int, float | None], *, now: float) -> None:
        """Note when jobs that no longer wait have started; None: they left without."""
        rows = [
            {"job_id": job_id, "started_at": at, "left_at": now if at is None else None}
            for job_id, at in starts.items()
        ]

        def write(tables: Tables) -> None:
            tables.conn.executemany(
                "UPDATE estimates SET started_at = :started_at, left_at = :left_at"
                " WHERE job_id = :job_id AND started_at IS NULL AND left_at IS NULL",
                rows,
            )

        if rows:
            await self._db.write(write)
            for job_id in starts:
                self.last.pop(job_id, None)

    async def forget(self, before: float) -> None:
        """Drop what was promised before a moment."""
        await self._db.write(
            lambda tables: tables.execute("DELETE FROM estimates WHERE made_at < :before", {"before": before})
        )

    def since(self, at: float) -> list[Promised]:
        """Return what was promised since a moment, by job and time; the latest 200 000."""
        sql = "SELECT * FROM (SELECT * FROM estimates WHERE made_at >= :at ORDER BY made_at DESC LIMIT 200000)"
        rows: list[dict[str, Any]] = self._db.rows(f"{sql} ORDER BY job_id, made_at", {"at": at})
        return [Promised(**row) for row in rows]
