"""From a flush on HDFS to the point in the API, with many jobs that write at once.

Twice: as gpuq's carrier writes, which tells the NameNode the length with each flush, and as most of Hadoop does, after
which the NameNode goes on listing an old one.
"""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from hdfs_native import AsyncClient, WriteOptions

from gpuq.client import Json
from tests.bench.loaded import folder_of_a_daemon, serving
from tests.bench.rows import Row, quantile
from tests.eventfile.event_bytes import a_file, a_scalar
from tests.support.daemon import Gpuqd, until
from tests.support.hadoop import Hadoop, running_hdfs

_JOBS = int(os.environ.get("BENCH_HDFS", "50"))
_STEPS, _EVERY_S = 30, 1.0
_WAITS = "import time\ndef main_fun(args, ctx):\n    time.sleep(3600)\n"


class _Writer(Protocol):
    """Who flushes to files that stay open."""

    async def flush(self, path: str, data: bytes) -> None: ...


class _AsTheCarrier:
    """Flushes and has the NameNode told."""

    name = "hsync"

    def __init__(self, hdfs: Hadoop) -> None:
        self._client = AsyncClient(hdfs.uri, config_dir=str(hdfs.conf))
        self._files: dict[str, Any] = {}

    async def flush(self, path: str, data: bytes) -> None:
        if path not in self._files:
            self._files[path] = await self._client.create(path, WriteOptions(create_parent=True))
        await self._files[path].write(data)
        await self._files[path].hsync()


class _AsJava:
    """Flushes with Hadoop's own client; the length that the NameNode lists stays as it was."""

    name = "hflush"

    def __init__(self, hdfs: Hadoop) -> None:
        self._hdfs = hdfs
        self._turn = asyncio.Lock()

    async def flush(self, path: str, data: bytes) -> None:
        async with self._turn:
            await asyncio.to_thread(self._hdfs.do, f"write {path} {base64.b64encode(data).decode()}")


@dataclass(slots=True)
class _Seen:
    """When each step of a job was flushed, and how long after that the API had it."""

    flushed_at: dict[int, float] = field(default_factory=dict[int, float])
    latencies_s: list[float] = field(default_factory=list[float])
    step: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lengths:
    """How long a file that is still open is, and how long HDFS lists it, after all of it was seen in the API."""

    written: int
    listed: int


def measure() -> list[Row]:
    """Return the quantiles of the latency, and what gpuqd took for it, for both writers."""
    with running_hdfs() as hdfs, folder_of_a_daemon() as folder:
        os.environ["HADOOP_CONF_DIR"] = str(hdfs.conf)
        config = folder / "gpuqd.toml"
        config.write_text(f'log_uri = "{hdfs.uri}/logs"\n{config.read_text()}')
        with serving(folder, nodes=2 * _JOBS) as daemon:
            return [row for kind in (_AsTheCarrier, _AsJava) for row in _measured(hdfs, daemon, kind)]


def _measured(hdfs: Hadoop, daemon: Gpuqd, kind: type[_AsTheCarrier | _AsJava]) -> list[Row]:
    ids = [daemon.enqueue(_WAITS) for _ in range(_JOBS)]
    until(lambda: set(ids) <= _running(daemon), timeout_s=300, what=f"{_JOBS} running jobs")
    seen = {job_id: _Seen() for job_id in ids}
    assert daemon.process is not None
    pid = daemon.process.pid
    cpu_s, began = _cpu_s(pid), time.monotonic()
    lengths = asyncio.run(_write_and_watch(hdfs, daemon, seen, kind))
    took_s = time.monotonic() - began
    latencies = [each for one in seen.values() for each in one.latencies_s]
    lost = _JOBS * _STEPS - len(latencies)
    name = f"hdfs: {_JOBS} jobs, {kind.name} to the API"
    print(
        f"{name}: the last file is {lengths[-1].written} bytes, HDFS lists {lengths[-1].listed} and all steps are seen"
    )
    short = sum(each.listed < each.written for each in lengths)
    return [
        Row(name=f"{name}, p50", value=quantile(latencies, 0.5), unit="s", aim="<= 1"),
        Row(name=f"{name}, p99", value=quantile(latencies, 0.99), unit="s", aim="<= 5"),
        Row(name=f"{name}, steps not seen", value=lost, unit="", aim="<= 0"),
        Row(
            name=f"{name}, files seen whole and listed shorter",
            value=short,
            unit="",
            aim=f">= {_JOBS}" if kind is _AsJava else None,
        ),
        Row(name=f"{name}, gpuqd's CPU", value=100 * (_cpu_s(pid) - cpu_s) / took_s, unit="% of a core"),
    ]


def _running(daemon: Gpuqd) -> set[int]:
    return {job["id"] for job in daemon.client.jobs() if job["state"] == "RUNNING"}


async def _write_and_watch(
    hdfs: Hadoop, daemon: Gpuqd, seen: Mapping[int, _Seen], kind: type[_AsTheCarrier | _AsJava]
) -> list[_Lengths]:
    """Return how long each file is and is listed once its last step was seen: a list only ever grows."""
    writer, client = kind(hdfs), AsyncClient(hdfs.uri, config_dir=str(hdfs.conf))
    watching = asyncio.create_task(_watch(daemon, seen))
    written = await asyncio.gather(
        *(_write(writer, _path(job_id), place, one) for place, (job_id, one) in enumerate(seen.items()))
    )
    await watching
    listed = [(await client.get_file_info(_path(job_id))).length for job_id in seen]
    return [_Lengths(written=size, listed=known) for size, known in zip(written, listed, strict=True)]


def _path(job_id: int) -> str:
    return f"/logs/{job_id}/1/events/rank-0/events.out.tfevents.1"


async def _write(writer: _Writer, path: str, place: int, seen: _Seen) -> int:
    """Flush a step a second, each job at another moment of it; return how many bytes that were."""
    size = 0
    await asyncio.sleep(_EVERY_S * place / _JOBS)
    for step in range(1, _STEPS + 1):
        next_at = time.monotonic() + _EVERY_S
        data = a_file(a_scalar("loss", step, 1 / step, time.time()))
        await writer.flush(path, data)
        size += len(data)
        seen.flushed_at[step] = time.monotonic()
        await asyncio.sleep(max(0.0, next_at - time.monotonic()))
    return size


async def _watch(daemon: Gpuqd, seen: Mapping[int, _Seen]) -> None:
    """Ask for the newest step of every job, again and again, until all are seen or half a minute after the last."""
    deadline = time.monotonic() + _STEPS * _EVERY_S + 60
    while any(one.step < _STEPS for one in seen.values()) and time.monotonic() < deadline:
        jobs = await asyncio.to_thread(daemon.client.jobs)
        now = time.monotonic()
        for job in jobs:
            _note(job, seen, now)
        await asyncio.sleep(0.05)


def _note(job: Json, seen: Mapping[int, _Seen], now: float) -> None:
    one, progress = seen.get(job["id"]), job["progress"]
    if one is None or progress is None:
        return
    for step in range(one.step + 1, progress["step"] + 1):
        one.latencies_s.append(max(0.0, now - one.flushed_at.get(step, now)))
    one.step = max(one.step, progress["step"])


def _cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process. Source: proc(5), utime and stime."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
