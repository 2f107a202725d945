"""GPU time that was held for nothing."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from gpuq_daemon.store.database import Database
from gpuq_daemon.store.history import History

_JOB = """INSERT INTO jobs (id, name, user, uid, partition, state, workers, gpus_per_worker, script_name, script_sha256,
  args, submitted_at, attempt) VALUES (?, 'x', ?, 1, 'p', 'COMPLETED', 2, 1, 's', 'h', '[]', 0, 1)"""
_ATTEMPT = """INSERT INTO attempts (job_id, number, token, started_at, running_at, ended_at, end_reason)
  VALUES (?, ?, ?, ?, ?, ?, ?)"""


def test_what_failed_what_was_idle_and_what_restarts_took_is_told_by_user(tmp_path: Path) -> None:
    database = Database(tmp_path / "state.db", "state")
    try:
        with sqlite3.connect(tmp_path / "state.db") as db:
            db.execute("INSERT INTO scripts (sha256, content) VALUES ('h', '')")
            for job_id, user in ((1, "ann"), (2, "bob")):
                db.execute(_JOB, (job_id, user))
            db.executemany(
                _ATTEMPT,
                [
                    (1, 1, "a", 100.0, 110.0, 200.0, "Preempted"),  # 10 s until it trained
                    (1, 2, "b", 300.0, 330.0, 400.0, "UserError"),  # all of it for nothing
                    (1, 3, "c", 500.0, 520.0, 600.0, None),  # 20 s once more
                    (2, 1, "d", 100.0, None, 150.0, "Cancelled"),  # never trained
                    (2, 2, "e", 10.0, 10.0, 20.0, None),  # before the time that is asked about
                ],
            )
        db.close()

        rows = History(tmp_path / "state.db").wasted(50.0)

        assert [(r.user, r.held_gpu_s, r.failed_gpu_s, r.idle_gpu_s, r.restarts_gpu_s) for r in rows] == [
            ("ann", 600.0, 200.0, 20.0, 40.0),
            ("bob", 100.0, 0.0, 100.0, 0.0),
        ]
    finally:
        database.close()
