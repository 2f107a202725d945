"""The jobs that have not ended as JSON, kept as it was made: of a pending job little changes between two questions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
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
_ENDING = b',"reason":"%b","priority":%d,"start_at":%b%b}'
_UNKNOWN = b',"p50_at":null,"p90_at":null'


Sees = Callable[[str], bool]  # whether a user's jobs are shown to who asks


class WaitingJobs(Protocol):
    """The scheduler, as far as lists ask it."""

    touched: set[int]  # of which something was changed since the last list

    def outlooks(self) -> Iterable[tuple[PendingJob, Reason, int, float | None]]:
        """Go through the pending jobs with their reason, their priority and the start that they are promised."""
        ...

    def reasons(self) -> Iterable[tuple[PendingJob, Reason]]:
        """Go through the pending jobs with their reason."""
        ...

    def is_pending(self, job_id: int) -> bool:
        """Return whether the job waits, as far as was told."""
        ...


class _Kept(NamedTuple):
    """A pending job's JSON without its end, and what it was made of."""

    of: PendingJob
    text: bytes


class Listing:
    """Answers for everybody who lists the queue. `whole` makes a stored job what everybody sees.

    What is made for each of very many jobs are texts and numbers, no tuples: the collector of garbage would go through
    them again and again.
    """

    def __init__(
        self,
        jobs: JobStore,
        queue: WaitingJobs,
        *,
        gpu_kinds: Callable[[], Mapping[str, str]],
        whole: Callable[[Job], Job],
        estimates: Callable[[], Mapping[int, Estimate]] = dict,
    ) -> None:
        self._estimates = estimates
        self._jobs = jobs
        self._queue = queue
        self._gpu_kinds = gpu_kinds
        self._whole = whole
        self._kinds: dict[str, str] = {}
        self._kept: dict[int, _Kept] = {}

    def jobs(self, user: str | None = None, sees: Sees | None = None) -> list[bytes]:
        """Return the jobs that have not ended (`models.Job`), all or one user's: pieces of a JSON array.

        They are by id, the newest 10 000, and to be put together once: that is ten megabytes. `sees` None: everybody's.
        """
        estimates = self._estimates()
        waiting: dict[int, PendingJob] = {}
        endings: dict[int, bytes] = {}
        for job, reason, priority, at in self._queue.outlooks():
            if (user is None or job.user == user) and (sees is None or sees(job.user)):
                job_id = job.job_id
                waiting[job_id] = job
                starts = _UNKNOWN if (known := estimates.get(job_id)) is None else _starts(known)
                endings[job_id] = _ENDING % (reason.encode(), priority, b"null" if at is None else _number(at), starts)
        self._make(waiting)
        active = {job.id: msgspec.json.encode(self._whole(job)) for job in self._active(user, sees)}
        kept = self._kept
        pieces: list[bytes] = []
        for job_id in sorted((waiting.keys() & kept.keys()) | active.keys())[-_MOST:]:
            pieces += (b",", active[job_id]) if job_id in active else (b",", kept[job_id].text, endings[job_id])
        return [b"[", *pieces[1:], b"]"]

    def table(self, user: str | None = None, sees: Sees | None = None) -> dict[str, Any]:
        """Return what a table shows: `pending` by column, by id, and the `jobs` that hold GPUs (`models.Job`)."""
        waiting: dict[int, PendingJob] = {}
        reasons: dict[int, Reason] = {}
        for job, reason in self._queue.reasons():
            if (user is None or job.user == user) and (sees is None or sees(job.user)):
                waiting[job.job_id], reasons[job.job_id] = job, reason
        ids, estimates = sorted(waiting), self._estimates()
        jobs, known = [waiting[job_id] for job_id in ids], [estimates.get(job_id) for job_id in ids]
        found = {
            "id": ids,
            "reason": [reasons[job_id] for job_id in ids],
            "p50_at": [None if one is None else one.p50_at for one in known],
            "p90_at": [None if one is None else one.p90_at for one in known],
        }
        pending = {name: found[name] if name in found else [getattr(job, name) for job in jobs] for name in _TABLE}
        return {"pending": pending, "jobs": [self._whole(job) for job in self._active(user, sees)]}

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
    text = text.replace(_UNKNOWN, b"", 1)
    return text.replace(b',"start_at":null', b"", 1).removesuffix(b"}")


def _starts(estimate: Estimate) -> bytes:
    return b',"p50_at":%b,"p90_at":%b' % (_number(estimate.p50_at), _number(estimate.p90_at))


def _number(value: float | None) -> bytes:
    return b"null" if value is None else json.dumps(value).encode()
