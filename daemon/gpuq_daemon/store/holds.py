"""Holds on pending jobs, and the place before everybody."""

from __future__ import annotations

from collections.abc import Sequence

from sqlite_utils import Database as Tables

from gpuq.errors import ForbiddenError
from gpuq_daemon.policy.snapshot import Hold
from gpuq_daemon.store.job_changes import require_pending


def hold(tables: Tables, job_ids: Sequence[int], kind: Hold) -> None:
    """Keep pending jobs from starting. An administrator's hold takes the place of a user's, not the other way.

    Raises:
        UsageError: one does not wait.
    """
    for job_id in job_ids:
        require_pending(tables, job_id, "held")
        tables.execute(
            "UPDATE jobs SET hold = :kind WHERE id = :id AND hold IS NOT 'admin'", {"kind": kind, "id": job_id}
        )


def release(tables: Tables, job_ids: Sequence[int], *, is_admin: bool) -> None:
    """Let held jobs start.

    Raises:
        UsageError: one does not wait.
        ForbiddenError: an administrator holds one, and `is_admin` is not.
    """
    for job_id in job_ids:
        require_pending(tables, job_id, "released")
        row = tables.execute("SELECT hold FROM jobs WHERE id = :id", {"id": job_id}).fetchone()
        if row[0] == Hold.ADMIN and not is_admin:
            raise ForbiddenError(f"Job {job_id} is held by an administrator: ask one to release it.")
        tables.execute("UPDATE jobs SET hold = NULL WHERE id = :id", {"id": job_id})


def set_top(tables: Tables, job_ids: Sequence[int], *, is_top: bool) -> None:
    """Let pending jobs go before everybody, or not any more.

    Raises:
        UsageError: one does not wait.
    """
    for job_id in job_ids:
        require_pending(tables, job_id, "moved")
        tables.execute("UPDATE jobs SET is_top = :top WHERE id = :id", {"top": int(is_top), "id": job_id})
