"""How many submits a second are acknowledged as durable, over the real API with real fsync."""

from __future__ import annotations

import json
import os
import selectors
import sqlite3
import time
from pathlib import Path

from tests.bench.enqueue import fsync_ms
from tests.bench.loaded import SCRIPT, Wire, folder_of_a_daemon, request, serving
from tests.bench.rows import Row, cpu_s, quantile
from tests.support.daemon import Gpuqd

_SPEC = {"script_name": "train.py", "script": SCRIPT, "workers": 2, "args": ["--lr", "0.1"]}
_REQUEST = request("POST", "/v1/jobs", json.dumps(_SPEC).encode())
_ARRAY = request("POST", "/v1/jobs", json.dumps({**_SPEC, "array": "0-9999"}).encode())
_JOBS = int(os.environ.get("BENCH_SUBMITS", "6000"))
_ROUNDS = 3


def measure() -> list[Row]:
    """Return submits a second with one client and with eight, an array's time, and jobs that were lost."""
    with folder_of_a_daemon() as folder:
        acknowledged = set[int]()
        with serving(folder) as daemon:
            assert daemon.process is not None
            blocker = daemon.enqueue(SCRIPT, workers=2)
            daemon.reaches(blocker, "RUNNING")
            fsync = fsync_ms(folder / "probe")
            rows = [row for clients, aim in ((1, 2500), (8, 6000)) for row in _rows(daemon, clients, aim, acknowledged)]
            with_array = Wire(daemon.client.path)
            taken: list[float] = []
            for _ in range(_ROUNDS):
                begin = time.perf_counter()
                with_array.ask(_ARRAY)
                taken.append(time.perf_counter() - begin)
        rows += [
            Row(name="submits: an array of 10 000", value=min(taken), unit="s", aim="<= 0.2"),
            Row(name="submits: acknowledged, then lost", value=_lost(folder, acknowledged), unit="jobs", aim="<= 0"),
            Row(name="submits: one write and fsync on this disk, p50", value=fsync, unit="ms"),
        ]
    return rows


def _rows(daemon: Gpuqd, clients: int, aim: int, acknowledged: set[int]) -> list[Row]:
    assert daemon.process is not None
    pid = daemon.process.pid
    best, cpu, p99 = 0.0, 0.0, 0.0
    for _ in range(_ROUNDS):
        used, begin = cpu_s(pid), time.perf_counter()
        taken, ids = _submit(daemon.client.path, clients, _JOBS)
        rate = _JOBS / (time.perf_counter() - begin)
        if rate > best:
            best, cpu, p99 = rate, (cpu_s(pid) - used) / _JOBS * 1e6, quantile(taken, 0.99)
        acknowledged |= ids
    what = f"submits: {clients} client{'s' if clients > 1 else ''}"
    return [
        Row(name=f"{what}, best of {_ROUNDS}", value=best, unit="jobs/s", aim=f">= {aim}"),
        Row(name=f"{what}, p99", value=p99 * 1e3, unit="ms"),
        Row(name=f"{what}, the daemon's CPU a job", value=cpu, unit="CPU us"),
    ]


def _submit(path: str, clients: int, jobs: int) -> tuple[list[float], set[int]]:
    """Submit from so many connections of this process, each waiting for its answer before it asks again."""
    selector = selectors.DefaultSelector()
    for _ in range(clients):
        wire = Wire(path)
        selector.register(wire.socket, selectors.EVENT_READ, wire)
    asked: dict[int, float] = {}
    left, taken, ids = jobs, list[float](), set[int]()
    for key in selector.get_map().values():
        asked[key.fd] = time.perf_counter()
        key.data.socket.sendall(_REQUEST)
        left -= 1
    while len(taken) < jobs:
        for key, _ in selector.select():
            answer: bytes = key.data.answer()
            now = time.perf_counter()
            taken.append(now - asked[key.fd])
            assert answer.startswith(b"HTTP/1.1 201"), answer[:300]
            ids.add(_id(answer))
            if left > 0:
                left -= 1
                asked[key.fd] = now
                key.data.socket.sendall(_REQUEST)
    for key in list(selector.get_map().values()):
        key.data.close()
    selector.close()
    return taken, ids


def _id(answer: bytes) -> int:
    at = answer.find(b'"id":') + 5
    return int(answer[at : answer.find(b",", at)])


def _lost(folder: Path, acknowledged: set[int]) -> int:
    with sqlite3.connect(folder / "state.db") as database:
        there = {row[0] for row in database.execute("SELECT id FROM jobs")}
    return len(acknowledged - there)
