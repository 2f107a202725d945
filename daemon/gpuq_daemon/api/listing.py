"""The jobs that have not ended as JSON, kept as it was made: of a pending job little changes between two questions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from operator import itemgetter
from typing import Any, NamedTuple, Protocol

import msgspec

from gpuq.models import Job, JobState, Reason
from gpuq_daemon.forecast.estimate import Estimate
from gpuq_daemon.policy.snapshot import PendingJob
from gpuq_daemon.store.jobs import JobStore

_MOST = 10_000
_AT_ONCE = 500  # jobs read from the store: their rows take ten times the memory of their JSON
_TABLE = (
    *("id", "name", "user", "partition", "gpus", "submitted_at", "reason", "array_id", "array_index", "throttle"),
    *("p50_at", "p90_at"),
)


Sees = Callable[[str], bool]  # whether a user's jobs are shown to who asks


class WaitingJobs(Protocol):
    """The scheduler, as far as lists ask it."""

    touched: set[int]  # of which something was changed since the last list

    def outlooks(self) -> Iterable[tuple[PendingJob, Reason, int, float | None]]:
        """Go through the pending jobs with their reason, their priority and the start that they are promised."""
        ...

    def is_pending(self, job_id: int) -> bool:
        """Return whether the job waits, as far as was told."""
        ...


class _Kept(NamedTuple):
    """A pending job's JSON without its end, and what it was made of."""

    of: PendingJob
    text: bytes


class Listing:
    """Answers for everybody who lists the queue. `whole` makes a stored job what everybody sees."""

    def __init__(
        self,
        jobs: JobStore,
        queue: WaitingJobs,
        *,
        gpu_kinds: Callable[[], Mapping[str, str]],
        whole: Callable[[Job], Job],
        estimate: Callable[[int], Estimate | None] = lambda _: None,
    ) -> None:
        self._estimate = estimate
        self._jobs = jobs
        self._queue = queue
        self._gpu_kinds = gpu_kinds
        self._whole = whole
        self._kinds: dict[str, str] = {}
        self._kept: dict[int, _Kept] = {}

    def jobs(self, user: str | None = None, sees: Sees | None = None) -> msgspec.Raw:
        """Return the jobs that have not ended (`models.Job`) as an array by id, all or one user's, the newest 10 000.

        `sees` None: everybody's.
        """
        made: dict[int, tuple[bytes, bytes]] = {}
        waiting = [
            (
                job,
                b',"reason":"%b","priority":%d,"start_at":%b%b}'
                % (reason.encode(), priority, _number(at), _starts(self._estimate(job.job_id))),
            )
            for job, reason, priority, at in self._queue.outlooks()
            if (user is None or job.user == user) and (sees is None or sees(job.user))
        ]
        self._make({job.job_id: job for job, _ in waiting})
        for job, ending in waiting:
            if job.job_id in self._kept:
                made[job.job_id] = self._kept[job.job_id].text, ending
        for job in self._active(user, sees):
            made[job.id] = msgspec.json.encode(self._whole(job)), b""
        pieces: list[bytes] = []  # put together once: of ten thousand jobs it is ten megabytes
        for job_id in sorted(made)[-_MOST:]:
            pieces += (b",", *made[job_id])
        return msgspec.Raw(b"".join((b"[", *pieces[1:], b"]")))

    def table(self, user: str | None = None, sees: Sees | None = None) -> dict[str, Any]:
        """Return what a table shows: `pending` by column, by id, and the `jobs` that hold GPUs (`models.Job`)."""
        rows = [
            (
                *(job.job_id, job.name, job.user, job.partition, job.gpus, job.submitted_at, reason),
                *(job.array_id, job.array_index, job.throttle),
                *_both(self._estimate(job.job_id)),
            )
            for job, reason, _, _ in self._queue.outlooks()
            if (user is None or job.user == user) and (sees is None or sees(job.user))
        ]
        rows.sort(key=itemgetter(0))
        columns = zip(*rows, strict=True) if rows else ((),) * len(_TABLE)
        active = [self._whole(job) for job in self._active(user, sees)]
        return {"pending": dict(zip(_TABLE, columns, strict=True)), "jobs": active}

    def priorities(self) -> dict[int, int]:
        """Return the priority of every pending job."""
        return {job.job_id: priority for job, _, priority, _ in self._queue.outlooks()}

    def _active(self, user: str | None, sees: Sees | None) -> list[Job]:
        return [job for job in self._jobs.active_jobs(user) if sees is None or sees(job.user)]

    def _make(self, pending: Mapping[int, PendingJob]) -> None:
        """Bring what is kept up to date with all, or one user's, pending jobs."""
        kinds, kept, touched = dict(self._gpu_kinds()), self._kept, self._queue.touched
        if kinds != self._kinds:
            self._kinds = kinds
            kept.clear()
        for job_id in touched:
            kept.pop(job_id, None)
        touched.clear()
        if len(kept) > 2 * len(pending) + _MOST:
            self._kept = kept = {job_id: one for job_id, one in kept.items() if self._queue.is_pending(job_id)}
        missing = [i for i, job in pending.items() if i not in kept or (kept[i].of is not job and kept[i].of != job)]
        for at in range(0, len(missing), _AT_ONCE):
            for job in self._jobs.jobs_of(missing[at : at + _AT_ONCE]):
                if job.state is JobState.PENDING:
                    told = replace(job, gpu_kind=kinds.get(job.partition, "GPU"))
                    kept[job.id] = _Kept(pending[job.id], _beginning(told))


def _beginning(job: Job) -> bytes:
    """Return a pending job's JSON without what changes while it waits, which is to be put behind it.

    A string in JSON holds no bare quotation mark: what is taken out is not found inside of one.
    """
    text = msgspec.json.encode(job)
    text = text.replace(b'"reason":null,', b"", 1).replace(b'"priority":null,', b"", 1)
    text = text.replace(b',"p50_at":null,"p90_at":null', b"", 1)
    return text.replace(b',"start_at":null', b"", 1).removesuffix(b"}")


def _both(estimate: Estimate | None) -> tuple[float | None, float | None]:
    return (None, None) if estimate is None else (estimate.p50_at, estimate.p90_at)


def _starts(estimate: Estimate | None) -> bytes:
    return b',"p50_at":%b,"p90_at":%b' % tuple(map(_number, _both(estimate)))


def _number(value: float | None) -> bytes:
    return b"null" if value is None else json.dumps(value).encode()
