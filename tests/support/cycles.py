"""Kills some process of a running job at a random moment, and looks at what becomes of the job and what is left."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gpuq.client import Json
from gpuq_daemon import processes
from gpuq_daemon.backends import master_page
from tests.support.cells import SAMPLES, said, token_of, what_is_left
from tests.support.daemon import Gpuqd, until
from tests.support.standalone import StandaloneCluster

VICTIMS: Mapping[str, str] = {
    "driver": r"gpuq_job/driver\.py",
    "executor": r"ExecutorBackend",
    "TensorFlow process": r"-m gpuq_job\.python_daemon",
    "whole group": r"SparkSubmit",
}
REASONS: Mapping[str, str] = {
    "driver": r"driver",
    "executor": r"without a word|[Ee]xecutor|cluster failed",
    "TensorFlow process": r"without a word|[Ww]orker|cluster failed",
    "whole group": r"driver",
}
_SURVIVED_S = 25.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """One launch and kill: who was killed, how long after it was there, how the job ended, and how long that took.

    `job` is CANCELLED where Spark started anew what was killed, so that the job went on and was then cancelled.
    """

    victim: str
    delay_s: float
    job: Json
    ended_s: float


def cycle(gpuqd: Gpuqd, cluster: StandaloneCluster, victim: str, chance: random.Random, *, workers: int = 1) -> Cycle:
    """Launch a job, kill the victim at a random moment, and check that the job ends as it should and leaves nothing."""
    script = (SAMPLES / "sleeper.py").read_text()
    job_id = gpuqd.client.enqueue({"script_name": "sleeper.py", "script": script, "workers": workers})["id"]
    try:
        return _killed(gpuqd, cluster, victim, chance, job_id)
    finally:
        gpuqd.client.cancel(job_id)  # for a cycle that failed; what has ended stays as it is


def _killed(gpuqd: Gpuqd, cluster: StandaloneCluster, victim: str, chance: random.Random, job_id: int) -> Cycle:
    gpuqd.reaches(job_id, "CONFIGURING", timeout_s=60)
    until(lambda: bool(_pids(gpuqd, job_id, victim)), timeout_s=180, what=f"the {victim} of job {job_id}")
    delay_s = chance.uniform(0, 15)
    time.sleep(delay_s)  # a moment like any other
    ports = _listened_on(gpuqd, job_id)
    killed_at = time.monotonic()
    pid = chance.choice(_pids(gpuqd, job_id, victim))
    if victim == "whole group":
        os.killpg(os.getpgid(pid), signal.SIGKILL)
    else:
        os.kill(pid, signal.SIGKILL)
    job = _ended(gpuqd, job_id)
    found = Cycle(victim=victim, delay_s=delay_s, job=job, ended_s=time.monotonic() - killed_at)
    if job["state"] != "CANCELLED":
        assert job["state"] == "FAILED", (found, said(gpuqd, job_id))
        assert job["end_reason"] == "NodeLost", (found, said(gpuqd, job_id))
        assert re.search(REASONS[victim], job["error"] or ""), (found, said(gpuqd, job_id))
    assert what_is_left(gpuqd, job_id) == {}, found
    assert left_on(cluster) == {}, found
    assert ports.isdisjoint(_all_listening()), found
    return found


def left_on(cluster: StandaloneCluster) -> dict[str, object]:
    """Return what the cluster itself still holds of applications, empty if nothing; none may be running."""
    page = master_page.fetch_from(cluster.page)
    assert page is not None
    found = {
        "applications": dict(page.applications),
        "GPUs": [line.used["gpu"] for line in page.lines if line.used.get("gpu")],
        "temporary folders": [str(path) for path in cluster.folder.glob("tmp/spark-*/executor-*")],
    }
    return {name: what for name, what in found.items() if what}


def _listened_on(gpuqd: Gpuqd, job_id: int) -> frozenset[str]:
    """Return the sockets that the attempt's processes listen on, by inode: a port that is taken anew has another."""
    found: set[str] = set()
    for one in processes.marked(token_of(gpuqd, job_id)):
        for descriptor in Path(f"/proc/{one.pid}/fd").glob("*"):
            with contextlib.suppress(OSError):
                found.add(os.readlink(descriptor).removeprefix("socket:[").removesuffix("]"))
    return frozenset(found & _all_listening())


def _all_listening() -> frozenset[str]:
    """Return all sockets of this machine that listen, by inode. Source: proc(5) net/tcp, state 0A."""
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path("/proc/net", name).read_text().splitlines()[1:]]
    return frozenset(fields[9] for fields in lines if fields[3] == "0A")


def _pids(gpuqd: Gpuqd, job_id: int, victim: str) -> list[int]:
    """Return the attempt's processes that the victim may be."""
    if not (gpuqd.folder / "attempts" / str(job_id) / "1" / "launch.json").exists():
        return []
    return [
        one.pid
        for one in processes.marked(token_of(gpuqd, job_id))
        if re.search(VICTIMS[victim], _words(one.pid)) and (victim != "driver" or "SparkSubmit" not in _words(one.pid))
    ]


def _words(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _ended(gpuqd: Gpuqd, job_id: int) -> Json:
    """Return the job once it has ended; one that goes on for long has survived, and is cancelled."""
    deadline = time.monotonic() + _SURVIVED_S
    while (job := gpuqd.client.wait(job_id, timeout_s=5))["ended_at"] is None:
        if time.monotonic() > deadline:
            gpuqd.client.cancel(job_id)
            return gpuqd.ended(job_id, timeout_s=60)
    return job
