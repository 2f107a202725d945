"""Hearing what changes, over restarts of gpuqd."""

from __future__ import annotations

import time

from gpuq.cli.following import patiently
from gpuq.errors import UnavailableError
from gpuq.states import FINAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from gpuq.client import Client, Json

MOST_JOBS = 1000  # that one stream may be about
_PATIENCE = 60  # tries, a second apart: gpuqd may be restarted while somebody listens


def heard(
    client: Client, job_ids: Sequence[int] = (), *, user: str | None = None, sleep: Callable[[float], None] = time.sleep
) -> Iterator[tuple[str, Any]]:
    """Yield each event, of some jobs or of everything, for ever; a gpuqd that is away is waited for.

    Raises:
        UnavailableError: it is still away after a minute, or was never there.
    """
    last, tries = None, _PATIENCE
    while True:
        try:
            with client.stream(job_ids=job_ids, user=user, last=last) as stream:
                for event in stream:
                    tries = 0
                    yield event
                    last = stream.last
        except UnavailableError:
            tries += 1
            if tries > _PATIENCE:
                raise
            sleep(1.0)


def ends(client: Client, jobs: Sequence[Json], *, sleep: Callable[[float], None] = time.sleep) -> Iterator[Json]:
    """Yield each of the jobs once, as it is when it has ended, in the order of their ends.

    Raises:
        NotFoundError: a job is not kept any more.
    """
    waited = {job["id"]: job for job in jobs}
    yield from (job for job in waited.values() if job["state"] in FINAL)
    waiting = [job_id for job_id, job in waited.items() if job["state"] not in FINAL]
    for begin in range(0, len(waiting), MOST_JOBS):
        yield from _ends(client, waiting[begin : begin + MOST_JOBS], sleep)


def _ends(client: Client, job_ids: Sequence[int], sleep: Callable[[float], None]) -> Iterator[Json]:
    left = set(job_ids)
    unseen: set[int] = set()
    for kind, data in heard(client, job_ids, sleep=sleep):
        rows: list[Json] = data["jobs"] if kind == "jobs" else [data] if kind in ("job", "removed") else []
        over: set[int] = {row["id"] for row in rows if row.get("state") in FINAL or kind == "removed"}
        if kind == "reset":
            unseen = left.copy()
        unseen -= {row["id"] for row in rows}
        if kind == "ready":
            over |= unseen  # of what is not kept any more no row comes
        for job_id in sorted(over):
            if job_id in left:
                left.discard(job_id)
                yield patiently(lambda number=job_id: client.job(number), sleep=sleep)
        if not left:
            return
