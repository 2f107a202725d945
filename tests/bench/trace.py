"""How long it takes to tell whose something is, with a million links stored: asked over the API, each handle's kind."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

from tests.bench.loaded import fill, folder_of_a_daemon, serving
from tests.bench.rows import Row, quantile, times_ms

_LINKS = int(os.environ.get("BENCH_LINKS", "1000000"))
_A_JOB = 4  # ranks, and as many pods
_HOSTS = 200
_ROUNDS = 200
_AIM_MS = 50


def measure() -> list[Row]:
    """Return the 95th percentile of each kind, and of all together."""
    with folder_of_a_daemon() as folder:
        fill(folder, 1)
        first, jobs = _link_many(folder / "state.db")
        with serving(folder) as daemon:
            rng = random.Random(2)
            taken = list[float]()
            rows = list[Row]()
            for kind, handle in _HANDLES.items():
                spent = times_ms(lambda handle=handle: daemon.client.trace(handle(first, rng.randrange(jobs))), _ROUNDS)
                taken += spent
                rows.append(_row(f"by {kind}", quantile(spent, 0.95)))
            rows.append(_row("any handle", quantile(taken, 0.95)))
    return rows


def _row(name: str, value: float) -> Row:
    return Row(name=f"trace, {_LINKS} links: {name}, p95", value=value, unit="ms", aim=f"<= {_AIM_MS}")


_HANDLES: dict[str, Callable[[int, int], str]] = {
    "job": lambda first, n: str(first + n),
    "pod": lambda first, n: f"prod/train-{n}-exec-2",
    "pod's bare name": lambda first, n: f"train-{n}-exec-2",
    "uid": lambda first, n: f"{n:08x}-0002-0000-0000-000000000000",
    "container": lambda first, n: f"{n:062x}02",
    "application": lambda first, n: f"application_17_{n}",
    "executor": lambda first, n: f"application_17_{n}/2",
    "YARN container": lambda first, n: f"container_17_{n}_01_000002",
    "process": lambda first, n: f"host-{n % _HOSTS}:{1000 + n % 30_000}",
    "GPU": lambda first, n: f"gpu:node-{n % _HOSTS}/2",
}


def _link_many(path: Path) -> tuple[int, int]:
    """Write jobs that have ended, each with ranks and pods; return the first one's number and how many there are."""
    jobs = _LINKS // (2 * _A_JOB)
    with sqlite3.connect(path) as database:
        sha = database.execute("SELECT script_sha256 FROM jobs").fetchone()[0]
        first: int = database.execute("SELECT max(id) + 1 FROM jobs").fetchone()[0]
        database.executemany(
            """INSERT INTO jobs (id, name, user, uid, account, partition, state, exit_code, workers, gpus_per_worker,
                                 script_name, script_sha256, args, submitted_at, ended_at, attempt)
               VALUES (?1, 'train', 'ann', 1000, 'root', 'plain', 'COMPLETED', 0, 4, 1, 'train.py', ?2, '[]', ?3,
                       ?4, 1)""",
            ((first + n, sha, 1.7e9 + n, 1.7e9 + n + 60) for n in range(jobs)),
        )
        database.executemany(
            """INSERT INTO attempts (job_id, number, token, started_at, ended_at, charged_gpu_s, application_id)
               VALUES (?1, 1, 't' || ?1, ?2, ?2 + 50, 200.0, ?3)""",
            ((first + n, 1.7e9 + n, f"application_17_{n}") for n in range(jobs)),
        )
        database.executemany(
            """INSERT INTO ranks (job_id, attempt, rank, role, host, node, pid, executor_id, gpus, state, start_time,
                                  boot_id, container_id)
               VALUES (?1, 1, ?2, 'worker', ?3, ?4, ?5, ?6, ?7, 'DONE', ?8, 'boot', ?9)""",
            (
                (
                    *(first + n, rank, f"host-{n % _HOSTS}", f"node-{n % _HOSTS}", 1000 + (n + rank) % 30_000),
                    *(str(rank), f'["{rank}"]', n, f"container_17_{n}_01_{rank:06}"),
                )
                for n in range(jobs)
                for rank in range(_A_JOB)
            ),
        )
        database.executemany(
            """INSERT INTO pods (uid, job_id, attempt, namespace, name, role, executor_id, application_id, container_id,
                                 node, phase, exit_code, first_seen, last_seen, gone_at)
               VALUES (?1, ?2, 1, 'prod', ?3, 'executor', ?4, ?5, ?6, ?7, 'Succeeded', 0, ?8, ?8, ?8)""",
            (
                (
                    *(f"{n:08x}-{pod:04x}-0000-0000-000000000000", first + n, f"train-{n}-exec-{pod}", str(pod)),
                    *(f"application_17_{n}", f"containerd://{n:062x}{pod:02x}", f"node-{n % _HOSTS}", 1.7e9 + n),
                )
                for n in range(jobs)
                for pod in range(_A_JOB)
            ),
        )
    return first, jobs
