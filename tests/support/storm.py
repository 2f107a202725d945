"""Kills a gpuqd again and again while clients queue jobs and the jobs run, and looks at what has become of them."""

from __future__ import annotations

import json
import random
import sqlite3
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from gpuq.client import Client
from gpuq.errors import UnavailableError
from gpuq_daemon.policy.usage import Charge, Usage, charged, merged
from tests.support.daemon import Gpuqd, until

_HALF_LIFE_S = 7 * 86_400.0
_MOST_WAITING = 40  # so that the end is not waited for too long
# Each start of a job leaves a line of its own: appending a few bytes is whole, whoever else does so.
_SCRIPT = """
import os, time
def main_fun(args, ctx):
    with open(args[1], "a") as file:
        file.write(args[2] + chr(10))
    time.sleep(float(args[3]))
"""


@dataclass(kw_only=True)
class Storm:
    """What clients asked for, and what was acknowledged to them: job ids by key."""

    keys: list[str] = field(default_factory=list[str])
    acknowledged: dict[str, int] = field(default_factory=dict[str, int])
    kills: int = 0


def rage(gpuqd: Gpuqd, *, kills: int, seed: int) -> Storm:
    """Kill gpuqd at random instants while three clients queue jobs; return once it serves after the last kill."""
    rng, storm, calm = random.Random(seed), Storm(), threading.Event()
    clients = [threading.Thread(target=_submit, args=(gpuqd, storm, f"{seed}-{n}", calm)) for n in range(3)]
    for client in clients:
        client.start()
    try:
        for _ in range(kills):
            time.sleep(rng.uniform(0.0, 0.8))
            gpuqd.kill()
            storm.kills += 1
            gpuqd.start()
    finally:
        calm.set()
        for client in clients:
            client.join()
    return storm


def _submit(gpuqd: Gpuqd, storm: Storm, name: str, calm: threading.Event) -> None:
    rng, client, starts = random.Random(name), Client(gpuqd.client.path), str(gpuqd.folder / "starts")
    number = 0
    while not calm.is_set():
        number += 1
        key = f"{name}-{number}"
        storm.keys.append(key)
        words = [starts, key, str(rng.uniform(0.0, 0.3))]
        try:
            job = client.enqueue({"script_name": "job.py", "script": _SCRIPT, "args": words}, key=key)
            storm.acknowledged[key] = job["id"]
            while len(client.jobs()) > _MOST_WAITING and not calm.is_set():
                calm.wait(0.2)
        except UnavailableError:
            calm.wait(0.05)


def check(gpuqd: Gpuqd, storm: Storm) -> None:
    """Wait for the end of all jobs and assert that none was lost, started twice or charged twice."""
    until(lambda: not gpuqd.client.jobs(), timeout_s=300, what="the end of all jobs", log=gpuqd.folder / "gpuqd.log")
    jobs = {job["id"]: job for job in gpuqd.client.jobs(everything=True)}
    by_key = {job["args"][1]: job["id"] for job in jobs.values()}

    assert len(jobs) == len(by_key), "a request that was sent again has made two jobs"
    assert {key: by_key.get(key) for key in storm.acknowledged} == storm.acknowledged, "an acknowledged job is lost"
    assert len(set(storm.acknowledged.values())) == len(storm.acknowledged), "an id was given twice"
    assert {job["state"] for job in jobs.values()} == {"COMPLETED"}
    assert {job["attempt"] for job in jobs.values()} == {1}
    started = Counter((gpuqd.folder / "starts").read_text().split())
    assert started == Counter(dict.fromkeys(by_key, 1)), "a job was started twice, or never"
    for job in jobs.values():
        end = json.loads((gpuqd.folder / "attempts" / str(job["id"]) / "1" / "exit.json").read_text())
        assert job["ended_at"] == end["ended_at"], "an end is accounted with another time than its own"
    _check_charges(gpuqd)


def _check_charges(gpuqd: Gpuqd) -> None:
    """Assert that the ledger holds every attempt once."""
    database = sqlite3.connect(f"file:{gpuqd.folder}/state.db?mode=ro", uri=True)
    try:
        attempts = database.execute(
            "SELECT started_at, ended_at, charged_gpu_s FROM attempts ORDER BY ended_at"
        ).fetchall()
        ((amount, at),) = database.execute("SELECT amount, at FROM usage").fetchall()
    finally:
        database.close()
    total = Usage()
    for started_at, ended_at, gpu_s in attempts:
        assert abs(gpu_s - (ended_at - started_at)) < 1e-6
        one = charged(Charge(rate=1.0, since=started_at, until=ended_at), ended_at, _HALF_LIFE_S)
        total = merged(total, one, _HALF_LIFE_S)
    assert abs(merged(total, Usage(at=at), _HALF_LIFE_S).amount - amount) < 1e-6 * max(1.0, amount), "charged twice"
