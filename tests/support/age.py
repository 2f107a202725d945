"""Jobs that ended long ago, and how long they are kept."""

from __future__ import annotations

import sqlite3

from tests.support.daemon import Gpuqd


def keeps(gpuqd: Gpuqd, table: str) -> None:
    """Write [retention] into the configuration."""
    text = gpuqd.config.read_text().partition("[retention]")[0]
    gpuqd.config.write_text(f"{text}[retention]\n{table}\n")


def grown_older(gpuqd: Gpuqd, job_ids: list[int], by_s: float) -> None:
    """Put the times of jobs back in the state of a gpuqd that does not run."""
    with sqlite3.connect(gpuqd.folder / "state.db") as db:
        for job_id in job_ids:
            for table, columns in (("jobs", ("submitted_at", "ended_at")), ("attempts", ("started_at", "ended_at"))):
                sets = ", ".join(f"{column} = {column} - {by_s}" for column in columns)
                db.execute(f"UPDATE {table} SET {sets} WHERE {'id' if table == 'jobs' else 'job_id'} = {job_id}")
            db.execute(f"UPDATE attempts SET running_at = running_at - {by_s} WHERE job_id = {job_id}")
    db.close()
