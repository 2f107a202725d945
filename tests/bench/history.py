"""How long `gpuq history` and `gpuq admin report` take over a million jobs that have ended, as whole processes."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.loaded import fill, folder_of_a_daemon, serving
from tests.bench.rows import Row, cpu_s, quantile, times_ms

_JOBS = int(os.environ.get("BENCH_HISTORY", "1000000"))
_NAMES, _USERS, _ACCOUNTS = 50_000, 500, 20
_ROUNDS = 7
_REPORTS = {
    "admin report": ["admin", "report"],
    "usage --by account,user --per week": ["usage", "--by", "account,user", "--per", "week"],
}
_BEFORE_SUMS = """
  DROP TABLE used; DROP TABLE waited; ALTER TABLE attempts DROP COLUMN ended_as;
  CREATE TABLE rollup (day INTEGER NOT NULL, account TEXT NOT NULL, user TEXT NOT NULL, partition TEXT NOT NULL,
    gpu_type TEXT NOT NULL, gpu_us INTEGER NOT NULL, jobs INTEGER NOT NULL, attempts INTEGER NOT NULL);
  DELETE FROM _sqlite_migrations WHERE name = '0023_sums';"""
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
        begun = time.monotonic()
        with serving(folder) as daemon:
            upgraded = Row(name=f"upgrade of {_JOBS} jobs", value=time.monotonic() - begun, unit="s")
            env = {**os.environ, "GPUQ_SOCKET": daemon.client.path}
            bare = _median([sys.executable, "-c", "pass"], env)
            rows = [Row(name="history: python -c pass", value=bare, unit="ms"), upgraded]
            for name, words in _ASKED.items():
                rows.append(_row(name, _median([*_COMMAND, *words], env), 100))
            rows.append(_row("--regex", _median([*_COMMAND, "--regex", "9{2}.*7$"], env), 400))
            assert daemon.process is not None
            for name, words in _REPORTS.items():
                before = cpu_s(daemon.process.pid)
                took = _median([*_COMMAND[:-1], *words, "--since", "2025-01-01"], env)
                spent = 1000 * (cpu_s(daemon.process.pid) - before) / (_ROUNDS + 1)
                rows.append(Row(name=f"{name} of {_JOBS} jobs", value=took, unit="ms", aim="<= 1000"))
                rows.append(Row(name=f"{name} of {_JOBS} jobs, gpuqd's CPU", value=spent, unit="ms"))
    return rows


def _row(name: str, value: float, aim: int) -> Row:
    return Row(name=f"history of {_JOBS} jobs: {name}", value=value, unit="ms", aim=f"<= {aim}")


def _median(argv: list[str], env: dict[str, str]) -> float:
    def run() -> None:
        subprocess.run(argv, env=env, stdout=subprocess.DEVNULL, check=True)

    run()
    return quantile(times_ms(run, _ROUNDS), 0.5)


def _end_many(path: Path) -> None:
    """Write jobs that ran and ended, as a gpuqd left them that added nothing up."""
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
                yield (name, f"u{user}", f"a{user % _ACCOUNTS}", state, code, row[0], at, at + 7200)

        database.executemany(
            """INSERT INTO jobs (name, user, uid, account, partition, state, exit_code, workers, gpus_per_worker,
                                 script_name, script_sha256, args, submitted_at, ended_at, attempt)
               VALUES (?1, ?2, 1000, ?3, 'plain', ?4, ?5, 2, 1, 'train.py', ?6, '[]', ?7, ?8, 1)""",
            jobs(),
        )
        database.execute(
            """INSERT INTO attempts (job_id, number, token, started_at, ended_at, charged_gpu_s)
               SELECT id, 1, 't' || id, submitted_at + id * 7919 % 3600, ended_at, 7080.0
               FROM jobs WHERE ended_at IS NOT NULL"""
        )
    with sqlite3.connect(path) as database:
        database.executescript(_BEFORE_SUMS)
    database.close()
