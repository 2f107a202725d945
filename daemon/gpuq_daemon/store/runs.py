"""How long jobs ran: what their users' next ones are judged by. Over a connection of its own, that only reads."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gpuq.errors import UnavailableError
from gpuq_daemon.policy.snapshot import PendingJob
from gpuq_daemon.store.job_rows import QUEUED_ASKS, pending_jobs

_MOST = 3000
_ENDED = f"""SELECT (SELECT sum(t.ended_at - t.started_at) FROM attempts t WHERE t.job_id = jobs.id), NULL,
                    signal_s IS NOT NULL AND retries > 0, {QUEUED_ASKS}
             FROM jobs WHERE ended_at IS NOT NULL AND attempt > 0 ORDER BY ended_at DESC, id DESC LIMIT {_MOST}"""


class RunStore:
    """Answers in the thread that asks, one at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def latest(self) -> list[tuple[PendingJob, float]]:
        """Return the jobs that ended last as they were queued, with how long they ran, by submit.

        Raises:
            UnavailableError: the state cannot be read.
        """
        rows = [row for row in self._rows(_ENDED) if row[0] is not None]
        jobs = pending_jobs(row[1:] for row in rows)
        found = [(job, max(0.0, row[0])) for job, row in zip(jobs, rows, strict=True)]
        return sorted(found, key=lambda one: one[0].submitted_at)

    def first_starts(self, job_ids: Iterable[int]) -> dict[int, float | None]:
        """Return when jobs were started first; None for those that never were, or are gone.

        Raises:
            UnavailableError: the state cannot be read.
        """
        asked = list(job_ids)
        numbers = ",".join(str(int(job_id)) for job_id in asked)
        rows = self._rows(f"SELECT job_id, started_at FROM attempts WHERE number = 1 AND job_id IN ({numbers})")
        return {**dict.fromkeys(asked), **dict(rows)}

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        try:
            with self._lock, sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=5) as connection:
                rows = connection.execute(sql).fetchall()
            connection.close()
        except sqlite3.Error as error:
            raise UnavailableError(f"The state in {self._path} cannot be read: {error}.") from error
        return rows
