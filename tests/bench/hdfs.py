"""From a flush on HDFS to the point in the API, with many jobs that write at once."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

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


@dataclass(slots=True)
class _Seen:
    """When each step of a job was flushed, and how long after that the API had it.

    `is_listed_short`: at the last flush the NameNode still listed an old length.
    """

    flushed_at: dict[int, float] = field(default_factory=dict[int, float])
    latencies_s: list[float] = field(default_factory=list[float])
    step: int = 0
    is_listed_short: bool = False


def measure() -> list[Row]:
    """Return the quantiles of the latency, and what gpuqd took for it."""
    with running_hdfs() as hdfs, folder_of_a_daemon() as folder:
        os.environ["HADOOP_CONF_DIR"] = str(hdfs.conf)
        config = folder / "gpuqd.toml"
        config.write_text(f'log_uri = "{hdfs.uri}/logs"\n{config.read_text()}')
        with serving(folder, nodes=_JOBS) as daemon:
            return _measured(hdfs, daemon)


def _measured(hdfs: Hadoop, daemon: Gpuqd) -> list[Row]:
    ids = [daemon.enqueue(_WAITS) for _ in range(_JOBS)]
    until(lambda: _running(daemon) == _JOBS, timeout_s=300, what=f"{_JOBS} running jobs")
    seen = {job_id: _Seen() for job_id in ids}
    assert daemon.process is not None
    pid = daemon.process.pid
    cpu_s, began = _cpu_s(pid), time.monotonic()
    asyncio.run(_write_and_watch(hdfs, daemon, seen))
    took_s = time.monotonic() - began
    latencies = [each for one in seen.values() for each in one.latencies_s]
    lost = _JOBS * _STEPS - len(latencies)
    name = f"hdfs: {_JOBS} jobs, flush to the API"
    return [
        Row(name=f"{name}, p50", value=quantile(latencies, 0.5), unit="s", aim="<= 1"),
        Row(name=f"{name}, p99", value=quantile(latencies, 0.99), unit="s", aim="<= 5"),
        Row(name=f"{name}, steps not seen", value=lost, unit="", aim="<= 0"),
        Row(
            name=f"{name}, files listed shorter than they are",
            value=sum(one.is_listed_short for one in seen.values()),
            unit="",
            aim=f">= {_JOBS}",
        ),
        Row(name=f"hdfs: {_JOBS} jobs, gpuqd's CPU", value=100 * (_cpu_s(pid) - cpu_s) / took_s, unit="% of a core"),
    ]


def _running(daemon: Gpuqd) -> int:
    return sum(job["state"] == "RUNNING" for job in daemon.client.jobs())


async def _write_and_watch(hdfs: Hadoop, daemon: Gpuqd, seen: dict[int, _Seen]) -> None:
    client = AsyncClient(hdfs.uri, config_dir=str(hdfs.conf))
    watching = asyncio.create_task(_watch(daemon, seen))
    await asyncio.gather(*(_write(client, job_id, place, one) for place, (job_id, one) in enumerate(seen.items())))
    await watching


async def _write(client: AsyncClient, job_id: int, place: int, seen: _Seen) -> None:
    """Flush a step a second, each job at another moment of it."""
    path, size = f"/logs/{job_id}/1/events/rank-0/events.out.tfevents.1", 0
    await asyncio.sleep(_EVERY_S * place / _JOBS)
    async with await client.create(path, WriteOptions(create_parent=True)) as file:
        for step in range(1, _STEPS + 1):
            next_at = time.monotonic() + _EVERY_S
            data = a_file(a_scalar("loss", step, 1 / step, time.time()))
            size += len(data)
            await file.write(data)
            await file.hsync()
            seen.flushed_at[step] = time.monotonic()
            await asyncio.sleep(max(0.0, next_at - time.monotonic()))
        seen.is_listed_short = (await client.get_file_info(path)).length < size


async def _watch(daemon: Gpuqd, seen: dict[int, _Seen]) -> None:
    """Ask for the newest step of every job, again and again, until all are seen or half a minute after the last."""
    deadline = time.monotonic() + _STEPS * _EVERY_S + 60
    while any(one.step < _STEPS for one in seen.values()) and time.monotonic() < deadline:
        jobs = await asyncio.to_thread(daemon.client.jobs)
        now = time.monotonic()
        for job in jobs:
            _note(job, seen, now)
        await asyncio.sleep(0.05)


def _note(job: Json, seen: dict[int, _Seen], now: float) -> None:
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
