"""The stream of changes as values: opened again as often as it ends, from where it was."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from gpuq import __version__, models
from gpuq.client import Json
from gpuq.errors import GpuqError
from gpuq.gpus import Gpu
from gpuq.wire import decode
from gpuq_tui.foreign import cleaned, cleaned_text
from gpuq_tui.lines.header import HEARTBEAT_S
from gpuq_tui.lines.line import Look
from gpuq_tui.told_job import ToldJob, told_job, told_jobs, told_table

if TYPE_CHECKING:  # only Kubernetes has any
    from gpuq.tracing import PodsTold

Event = tuple[str, Any]
_MOST_BATCHES = 64


class Batches(Protocol):
    """What is needed of `gpuq.stream.Stream`. `last` is the id to go on from."""

    last: str | None

    def batches(self) -> Iterator[list[Event]]: ...
    def close(self) -> None: ...


class Streams(Protocol):
    """What is needed of `gpuq.client.Client`."""

    def stream(self, *, last: str | None = None, heartbeat_s: float = 15, table: bool = False) -> Batches: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What gpuqd said in one go.

    `jobs` are the jobs that are new or changed, None for one that is gone. `is_whole` says that there are no others.
    `pods` are those that have come, changed or gone, by their job and attempt. `cluster`, `gpus` None: they are as
    before. `is_heard`: gpuqd is there; `is_news`: and this is more than a sign of life. `problem` says why nothing is
    heard; None where the user wanted the end of the stream.
    """

    jobs: dict[int, models.Job | None] = field(default_factory=dict[int, models.Job | None])
    cluster: models.Cluster | None = None
    gpus: tuple[Gpu, ...] | None = None
    pods: tuple[PodsTold, ...] = ()
    is_whole: bool = False
    is_heard: bool = False
    is_news: bool = False
    problem: str | None = None


class Changes:
    """Reads the stream. `next` is for one thread at a time; `renew` and `close` are for any."""

    def __init__(self, client: Streams, look: Look) -> None:
        self._client = client
        self._look = look
        self._lock = threading.Lock()
        self._stream: Batches | None = None
        self._batches: Iterator[list[Event]] = iter(())
        self._last: str | None = None
        self._is_renewed = False
        self._jobs: dict[int, models.Job] = {}
        self._rows: dict[int, Json] = {}  # of those of which more was told than a table has
        self._cluster: Json = {}
        self._nodes: dict[str, Json] = {}
        self._gpus: dict[tuple[str, int], Gpu] = {}
        self._is_whole = False

    def next(self) -> Told:
        """Return what is told next, of a stream that has just been opened at once; blocks."""
        try:
            if self._stream is None:
                self._open()
                return Told(is_heard=True)
            told = self._told(next(self._batches))
            for _ in range(_MOST_BATCHES):  # of a beginning in many pieces, whose parts are of no use
                if not self._is_whole:
                    break
                told = self._told(next(self._batches))
            return told
        except (GpuqError, OSError) as error:
            with self._lock:
                is_asked = self._is_renewed
            return self._ended(None if is_asked else cleaned_text(str(error), self._look))
        except (ValueError, TypeError, KeyError) as error:
            self._last = None
            return self._ended(cleaned_text(self._not_understood(error), self._look))

    def renew(self) -> None:
        """Forget what was told: `next` asks for everything anew."""
        with self._lock:
            self._is_renewed = True
        self.close()

    def close(self) -> None:
        """End the stream, also while `next` waits for it."""
        with self._lock:
            stream = self._stream
        if stream is not None:
            stream.close()

    def _open(self) -> None:
        with self._lock:
            self._last, self._is_renewed = (None if self._is_renewed else self._last), False
        stream = self._client.stream(last=self._last, heartbeat_s=HEARTBEAT_S, table=True)
        with self._lock:
            self._stream = stream
        self._batches = stream.batches()

    def _ended(self, problem: str | None) -> Told:
        """Let go of a stream that is over; one that broke off within a snapshot did not go on from anywhere."""
        with self._lock:
            stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
            self._last = None if self._is_whole else stream.last
        return Told(problem=problem)

    def _told(self, events: Sequence[Event]) -> Told:
        changed, is_whole, is_moved, is_used = dict[int, None](), False, False, False
        pods: list[PodsTold] = []
        for kind, data in events:
            match kind:
                case "reset":
                    self._jobs, self._rows, self._nodes, self._is_whole = {}, {}, {}, True
                case "cluster":
                    self._nodes = {node["name"]: node for node in data["nodes"]}
                    self._cluster = data
                case "table":
                    self._jobs.update((job.id, job) for job in told_table(data, self._look))
                case "jobs":
                    self._take_rows(data["jobs"])
                case "ready":
                    is_whole, self._is_whole = True, False
                case "job":
                    row = self._row(data["id"])
                    if not row and "submitted_at" not in data:
                        continue  # it ended before its row was read
                    self._rows[data["id"]] = {**row, **data}
                    changed[data["id"]] = None
                case "removed":
                    self._forget(data["id"])
                    changed[data["id"]] = None
                case "gpus":
                    is_used = True
                    self._take_gpus(data)
                case "pods":
                    from gpuq.tracing import PodsTold

                    pods.append(decode(PodsTold, cleaned(data, self._look)))
                case _:
                    is_moved = self._is_moved(kind, data) or is_moved
        news = {job_id: self._job(job_id) for job_id in changed}
        if self._is_whole:
            return Told(is_heard=True)  # the rest of it is on its way
        return Told(
            jobs=self._jobs | news if is_whole else news,
            cluster=self._model_of_cluster() if is_whole or is_moved else None,
            gpus=tuple(self._gpus.values()) if is_whole or is_used else None,
            pods=tuple(pods),
            is_whole=is_whole,
            is_heard=True,
            is_news=is_whole or bool(changed) or any(kind for kind, _ in events),
        )

    def _not_understood(self, error: Exception) -> str:
        """Return which of gpuqd and this is older; gpuqd has told its version before it tells anything else."""
        from gpuq.cli.skew import sentence

        said = self._cluster.get("version")
        what = f"is not understood ({type(error).__name__}: {error})"[:200]
        return str(sentence(what, theirs=said[:40] if isinstance(said, str) else None, ours=__version__))

    def _take_gpus(self, data: Any) -> None:
        if "gpus" not in data:
            return  # a gpuqd that only says that some have changed
        if data["is_whole"]:
            self._gpus = {}
        for row in data["gpus"]:
            self._gpus[row["node"], row["place"]] = decode(Gpu, cleaned(row, self._look))
        for row in data["gone"]:
            self._gpus.pop((row["node"], row["place"]), None)

    def _is_moved(self, kind: str, data: Any) -> bool:
        """Take over what is said of nodes and engines."""
        match kind:
            case "node":
                self._nodes[data["name"]] = {**self._nodes.get(data["name"], {}), **data}
            case "node_removed":
                self._nodes.pop(data["name"], None)
            case "engine":
                self._cluster = {**self._cluster, **data}
            case _:
                return False
        return True

    def _take_rows(self, rows: Sequence[Json]) -> None:
        """Take over whole rows; of those that are more than a table has, what comes later is put over them."""
        by_id = {row["id"]: row for row in rows}
        for job in told_jobs(rows, self._look):
            self._jobs[job.id] = job
            if not isinstance(job, ToldJob):
                self._rows[job.id] = by_id[job.id]

    def _row(self, job_id: int) -> Json:
        """Return what was told of a job until now."""
        row, job = self._rows.get(job_id), self._jobs.get(job_id)
        return row if row is not None else job.row() if isinstance(job, ToldJob) else {}

    def _job(self, job_id: int) -> models.Job | None:
        """Return a job as its row now is; None for one that is gone."""
        row = self._rows.get(job_id)
        if row is None:
            return None
        self._jobs[job_id] = job = told_job(row, self._look)
        if job.state.is_final:
            self._forget(job_id)  # nothing more is told of it, but all if it is queued again
        return job

    def _forget(self, job_id: int) -> None:
        self._rows.pop(job_id, None)
        self._jobs.pop(job_id, None)

    def _model_of_cluster(self) -> models.Cluster:
        return decode(models.Cluster, cleaned({**self._cluster, "nodes": list(self._nodes.values())}, self._look))
