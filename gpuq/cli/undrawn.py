"""Finds out why a job has no curve."""

from __future__ import annotations

from gpuq.cli.views.queue import shown_id
from gpuq.cli.views.silence import why_nothing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gpuq.client import Client


def why_silent(client: Client, job_id: int) -> str:
    """Return why there is no curve of a job."""
    job = client.job(job_id)
    has_started = job["attempt"] > 0 and job["started_at"] is not None
    return why_nothing(
        shown_id(job),
        job["state"],
        has_started=has_started,
        error=job["error"],
        files=len(client.event_files(job_id)["files"]) if has_started else None,
        tags=len({one["tag"] for one in client.series(job_id) if one["kind"] != "scalar"}),
    )
