"""The starts that pending jobs are promised: kept, so that a restart breaks none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import inf, isfinite

from sqlite_utils import Database as Tables

from gpuq_daemon.policy.snapshot import Promise
from gpuq_daemon.store.database import Database


class PromiseStore:
    """Promises by job. What is written is what has changed since the last time."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._kept = self._read()

    def promises(self) -> Mapping[int, Promise]:
        """Return the promises that are kept."""
        return self._kept

    async def keep(self, promises: Mapping[int, Promise]) -> None:
        """Keep these promises and no other."""
        gone = [{"job_id": job_id} for job_id in self._kept.keys() - promises.keys()]
        changed = [_row(one) for job_id, one in promises.items() if self._kept.get(job_id) != one]
        if not gone and not changed:
            return

        def write(tables: Tables) -> None:
            tables.conn.executemany("DELETE FROM promises WHERE job_id = :job_id", gone)
            tables.conn.executemany(
                """INSERT OR REPLACE INTO promises (job_id, start_at, gpu_type, workers, ps)
                   VALUES (:job_id, :start_at, :gpu_type, :workers, :ps)""",
                changed,
            )

        await self._db.write(write)
        self._kept = dict(promises)

    def _read(self) -> dict[int, Promise]:
        rows = self._db.rows("SELECT job_id, start_at, gpu_type, workers, ps FROM promises ORDER BY job_id")
        return {
            row["job_id"]: Promise(
                job_id=row["job_id"],
                start_at=inf if row["start_at"] is None else row["start_at"],
                gpu_type=row["gpu_type"],
                workers_by_node=json.loads(row["workers"]),
                ps_by_node=json.loads(row["ps"]),
            )
            for row in rows
        }


def _row(one: Promise) -> dict[str, object]:
    return {
        "job_id": one.job_id,
        "start_at": one.start_at if isfinite(one.start_at) else None,
        "gpu_type": one.gpu_type,
        "workers": json.dumps(dict(one.workers_by_node)),
        "ps": json.dumps(dict(one.ps_by_node)),
    }
