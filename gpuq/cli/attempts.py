"""The attempts of a job that are over, where another one comes or came after them; without click."""

from __future__ import annotations

from gpuq.errors import NotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gpuq.client import Client, Json


def earlier_attempts(client: Client, job: Json) -> list[Json]:
    """Return the attempts before the one that a job is in, or waits for, the first first (`tracing.Trace`).

    Only the newest few are looked up.
    """
    is_between = job["started_at"] is None  # it waits to run again, or was ended while it did
    if job["attempt"] + is_between < 2:
        return []
    try:
        traces = client.trace(str(job["id"]))["traces"]
    except NotFoundError:  # its attempts are not kept
        return []
    own = [one for one in traces if one["job_id"] == job["id"] and one["ended_at"] is not None]
    earlier = [one for one in own if one["attempt"] < job["attempt"] + is_between]
    return sorted(earlier, key=lambda one: one["attempt"])
