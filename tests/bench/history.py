"""How long `gpuq history` takes over a million jobs that have ended, as a whole process."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.bench.loaded import fill, folder_of_a_daemon, serving
from tests.bench.rows import Row, quantile, times_ms

_JOBS = int(os.environ.get("BENCH_HISTORY", "1000000"))
_NAMES, _USERS, _ACCOUNTS = 50_000, 500, 20
_ROUNDS = 7
_COMMAND = [sys.executable, "-c", "import sys; from gpuq.cli import main; sys.exit(main())", "history"]
_ASKED = {
    "without a filter": [],
    "-u": ["-u", "u77"],
    "-A": ["-A", "a7"],
    "-p": ["-p", "plain"],
    "--state": ["--state", "TO"],
    "--since --until": ["--since", "2025-11-20T00:00", "--until", "2025-11-21T00:00"],
    "--name with a beginning": ["--name", "train-123*"],
}


def measure() -> list[Row]:
    """Return the medians of whole processes, beside a bare Python."""
    with folder_of_a_daemon() as folder:
        fill(folder, 1)
        _end_many(folder / "state.db")
        with serving(folder) as daemon:
            env = {**os.environ, "GPUQ_SOCKET": daemon.client.path}
            bare = _median([sys.executable, "-c", "pass"], env)
            rows = [Row(name="history: python -c pass", value=bare, unit="ms")]
            for name, words in _ASKED.items():
                rows.append(_row(name, _median([*_COMMAND, *words], env), 100))
            rows.append(_row("--regex", _median([*_COMMAND, "--regex", "9{2}.*7$"], env), 400))
    return rows


def _row(name: str, value: float, aim: int) -> Row:
    return Row(name=f"history of {_JOBS} jobs: {name}", value=value, unit="ms", aim=f"<= {aim}")


def _median(argv: list[str], env: dict[str, str]) -> float:
    def run() -> None:
        subprocess.run(argv, env=env, stdout=subprocess.DEVNULL, check=True)

    run()
    return quantile(times_ms(run, _ROUNDS), 0.5)


def _end_many(path: Path) -> None:
    """Write jobs that ran and ended, the way gpuqd leaves them."""
    rng = random.Random(1)
    states = (("COMPLETED", 0), ("COMPLETED", 0), ("COMPLETED", 0), ("FAILED", 1), ("CANCELLED", 143), ("TIMEOUT", 124))
    with sqlite3.connect(path) as database:
        row = database.execute("SELECT script_sha256 FROM jobs").fetchone()

        def jobs() -> Iterator[tuple[object, ...]]:
            for i in range(_JOBS):
                state, code = rng.choice(states)
                user = rng.randrange(_USERS)
                at = 1_760_000_000.0 + i * 10
                name = f"train-{rng.randrange(_NAMES)}"
                yield (name, f"u{user}", f"a{user % _ACCOUNTS}", state, code, row[0], at, at + 3600)

        database.executemany(
            """INSERT INTO jobs (name, user, uid, account, partition, state, exit_code, workers, gpus_per_worker,
                                 script_name, script_sha256, args, submitted_at, ended_at, attempt)
               VALUES (?1, ?2, 1000, ?3, 'plain', ?4, ?5, 2, 1, 'train.py', ?6, '[]', ?7, ?8, 1)""",
            jobs(),
        )
        database.execute(
            """INSERT INTO attempts (job_id, number, token, started_at, ended_at, charged_gpu_s)
               SELECT id, 1, 't' || id, submitted_at + 60, ended_at, 7080.0 FROM jobs WHERE ended_at IS NOT NULL"""
        )
