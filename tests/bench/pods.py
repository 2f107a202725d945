"""What it costs to watch the pods of a namespace of which few are ours, on a real Kubernetes API."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.bench.rows import Row, quantile
from tests.support.daemon import short_folder
from tests.support.kube_nodes import a_pod
from tests.support.kube_server import KubeServer, create

_PODS = int(os.environ.get("BENCH_PODS", "5000"))
_OURS, _GONE, _NEW = 50, min(1000, _PODS // 2), 30
_MARK = "gpuq.io/bench"
_FILLER = "x" * 9_000  # pods of a real cluster have about 12 KB
_TICKS_A_S = os.sysconf("SC_CLK_TCK")
_MIB = 1024 * 1024

_WATCH = f"""
import asyncio, json, sys, time
from pathlib import Path
from gpuq_daemon.collectors.pods import PodWatch
from gpuq_daemon.kubernetes import access

async def main():
    sys.stdin.readline()
    watch = PodWatch(access.find(Path(sys.argv[1]), None, {{}}), "default", lambda pod: pod.metadata.label("{_MARK}"))
    async for events in watch.events():
        for event in events:
            print(json.dumps([event.pod.name, event.change.value, time.time()]), flush=True)
        print(json.dumps(["", "looked", time.time()]), flush=True)

print("ready", flush=True)
asyncio.run(main())
"""


def measure() -> list[Row]:
    """Return memory, CPU and how soon a change is told."""
    with short_folder() as folder:
        server = KubeServer(folder / "kube")
        try:
            server.start()
            server.prepare()
            return _measured(server)
        finally:
            server.stop()


def _measured(server: KubeServer) -> list[Row]:
    _make(server, (f"other-{n}" for n in range(_PODS - _OURS)), {})
    _make(server, (f"ours-{n}" for n in range(_OURS)), {_MARK: "1"})
    words = [sys.executable, "-c", _WATCH, str(server.kubeconfig)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        watch = _Watch(process)
        before, began = watch.rss_mib(), watch.cpu_s()
        watch.begin()
        watch.until(lambda: len(watch.seen) >= _OURS)
        listed, list_cpu = watch.rss_mib(), watch.cpu_s() - began
        _remove(server, [f"other-{n}" for n in range(_GONE)])
        delays = [_told_after(server, watch, f"new-{n}") for n in range(_NEW)]
        events_cpu = watch.cpu_s() - began - list_cpu
        process.kill()
    name = f"{_PODS} pods, {_OURS} ours: "
    return [
        Row(name=f"{name}memory that the watch adds", value=listed - before, unit="MiB", aim="<= 60"),
        Row(name=f"{name}the list", value=list_cpu, unit="CPU-s"),
        Row(name=f"{name}1000 events", value=events_cpu * 1000 / (_GONE + _NEW), unit="CPU-s", aim="<= 1"),
        Row(name=f"{name}a change is told after, p95", value=1000 * quantile(delays, 0.95), unit="ms", aim="<= 1000"),
    ]


class _Watch:
    """A process that watches, and what it has told."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.seen: dict[str, float] = {}
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

    def begin(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            name, _, at = json.loads(line)
            if name:
                self.seen[name] = at

    def until(self, claim: Any) -> None:
        deadline = time.monotonic() + 300
        while not claim():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def rss_mib(self) -> float:
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / _MIB

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_A_S


def _told_after(server: KubeServer, watch: _Watch, name: str) -> float:
    began = time.time()
    create(server.api(), a_pod(name, "true", labels={_MARK: "1"}))
    watch.until(lambda: name in watch.seen)
    return watch.seen[name] - began


def _make(server: KubeServer, names: Iterable[str], labels: dict[str, str]) -> None:
    def one(name: str) -> None:
        pod = a_pod(name, "true", labels=labels)
        pod["metadata"]["annotations"] = {"filler": _FILLER}
        create(server.api(), pod)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, names))


def _remove(server: KubeServer, names: list[str]) -> None:
    def one(name: str) -> None:
        server.api().ask("DELETE", f"/api/v1/namespaces/default/pods/{name}", {"gracePeriodSeconds": 0})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, names))
