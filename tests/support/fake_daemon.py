"""The far side of the wire: a scripted HTTP server on a unix socket, and the values it answers with.

`FakeDaemon.answers` maps "GET /v1/jobs/12" to what is answered: JSON-ready values and dataclasses of
`gpuq.models`, a `Problem`, raw bytes, or a `Script` of those.
"""

from __future__ import annotations

import json
import math
import socketserver
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, is_dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from gpuq.models import Cluster, Job, JobState, Node
from gpuq.summaries import Curve, Series, SeriesKind


@dataclass(frozen=True)
class Problem:
    """A problem document (RFC 9457)."""

    status: int
    detail: str


@dataclass(frozen=True)
class Script:
    """Answers of which each is given once, and the last for ever."""

    values: list[Any]


@dataclass
class FakeDaemon:
    """What is answered, and what was asked: (method, path, query, body) in order."""

    path: str
    answers: dict[str, Any] = field(default_factory=dict[str, Any])
    asked: list[tuple[str, str, dict[str, str], Any]] = field(
        default_factory=list[tuple[str, str, dict[str, str], Any]]
    )

    def answer(self, method: str, target: str, body: bytes) -> tuple[int, bytes]:
        """Return the scripted answer to one request."""
        url = urlsplit(target)
        self.asked.append((method, url.path, dict(parse_qsl(url.query)), json.loads(body) if body else None))
        if url.path == "/v1/queue" and "GET /v1/queue" not in self.answers:
            return self._queue()
        value = self.answers.get(f"{method} {url.path}", Problem(404, f"There is no {url.path}."))
        if isinstance(value, Script):
            value = value.values.pop(0) if len(value.values) > 1 else value.values[0]
        if isinstance(value, Problem):
            return value.status, json.dumps({"title": "x", "detail": value.detail}).encode()
        return 200, value if isinstance(value, bytes) else json.dumps(as_json(value)).encode()

    def _queue(self) -> tuple[int, bytes]:
        """Tell the scripted jobs and cluster as a table."""
        listed, cluster = self.answers.get("GET /v1/jobs"), self.answers.get("GET /v1/cluster")
        for one in (listed, cluster):
            if isinstance(one, bytes):
                return 200, one
            if one is None or isinstance(one, Problem):
                problem = one or Problem(404, "There is no such thing.")
                return problem.status, json.dumps({"title": "x", "detail": problem.detail}).encode()
        assert isinstance(listed, dict)
        jobs = as_json(listed)["jobs"]
        waiting = [job for job in jobs if job["state"] == "PENDING" and job["reason"] is not None]
        names = (
            "id",
            "name",
            "user",
            "partition",
            "gpus",
            "submitted_at",
            "reason",
            "array_id",
            "array_index",
            "throttle",
        )
        table = {
            "cluster": as_json(cluster),
            "jobs": [job for job in jobs if job not in waiting],
            "pending": {name: [job[name] for job in waiting] for name in names},
        }
        return 200, json.dumps(table).encode()


@contextmanager
def serve(directory: Path) -> Generator[FakeDaemon]:
    """Serve a fake daemon at a socket in `directory` until the block ends."""
    daemon = FakeDaemon(path=str(directory / "d.sock"))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, content = daemon.answer(self.command, self.path, body)
            if self.path.startswith("/v1/events") and status == 200:
                self._stream(content)
                return
            self.send_response_only(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _stream(self, content: bytes) -> None:
            """Send the scripted events, then end the stream."""
            self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content))

        do_POST = do_PATCH = do_DELETE = do_GET

    with socketserver.ThreadingUnixStreamServer(daemon.path, Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield daemon
        finally:
            server.shutdown()
            thread.join()


def events(*told: tuple[str, Any]) -> bytes:
    """Return a stream of events as it goes over the wire."""
    return "".join(f"event: {kind}\ndata: {json.dumps(as_json(data))}\n\n" for kind, data in told).encode()


def as_json(value: Any) -> Any:
    """Return models as the API's JSON: dataclasses as objects, NaN as null."""
    if is_dataclass(value) and not isinstance(value, type):
        return as_json(asdict(value))
    if isinstance(value, dict):
        return {key: as_json(inner) for key, inner in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple):
        return [as_json(inner) for inner in value]  # pyright: ignore[reportUnknownVariableType]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def a_job(**named: Any) -> Job:
    """Return a pending job 12 of ada's for 2 workers x 1 GPU, but for what is named."""
    workers, each = named.get("workers", 2), named.get("gpus_per_worker", 1)
    plain: dict[str, Any] = {
        "id": 12,
        "name": "digits_sync",
        "user": "ada",
        "partition": "default",
        "state": JobState.PENDING,
        "workers": workers,
        "gpus_per_worker": each,
        "gpus": workers * each,
        "gpu_kind": "virtual GPU",
        "script_name": "digits_sync.py",
        "script_sha256": "ab" * 32,
        "submitted_at": 1_000.0,
    }
    return Job(**(plain | named))


def a_cluster(*, free_gpus: int = 0, **named: Any) -> Cluster:
    """Return a cluster of two nodes of one virtual GPU each, `free_gpus` of them free."""
    nodes = tuple(
        Node(
            name=f"node-{i}",
            partition="default",
            host="localhost",
            gpu_kind="virtual GPU",
            gpus=1,
            free_gpus=int(i <= free_gpus),
        )
        for i in (1, 2)
    )
    plain: dict[str, Any] = {"name": "gpuq", "version": "0.1.0", "engine_ok": True, "nodes": nodes}
    return Cluster(**(plain | named))


def a_curve(values: list[float], *, job_id: int = 12, tag: str = "loss", rank: int = 0, run: str = ".") -> Curve:
    """Return the curve of `values` at steps 1, 2, 3..., one second each, one column a point."""
    count = len(values)
    series = Series(
        job_id=job_id,
        attempt=1,
        rank=rank,
        run=run,
        tag=tag,
        kind=SeriesKind.SCALAR,
        count=count,
        first_step=1,
        last_step=count,
        last_wall_time=100.0 + count,
        last_value=values[-1] if values else None,
    )
    seen = tuple(None if math.isnan(v) else v for v in values)
    return Curve(
        series=series,
        steps=tuple(float(i + 1) for i in range(count)),
        wall_times=tuple(100.0 + i for i in range(count)),
        low=seen,
        high=seen,
        last=seen,
        count=count,
        nan_count=seen.count(None),
        nans=tuple(int(v is None) for v in seen) if None in seen else (),
    )


def a_log(data: str, *, offset: int = 0, is_final: bool = True, size: int | None = None) -> dict[str, Any]:
    """Return a piece of a log as the API gives it."""
    end = offset + len(data.encode())
    return {
        "data": data,
        "offset": offset,
        "next_offset": end,
        "size": end if size is None else size,
        "is_final": is_final,
        "rank": 0,
    }
