"""Jobs that have ended, the newest first, by what people ask for; over a connection of its own, that only reads."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpuq.errors import UnavailableError, UsageError
from gpuq.sharing import NodeSpan, WasteRow
from gpuq_daemon.store import nodes, reports

COLUMNS = (
    "id", "name", "user", "account", "qos", "partition", "state", "exit_code", "gpus", "submitted_at", "started_at",
    "ended_at", "charged_gpu_s", "error", "array_id", "array_index", "workers", "gpus_per_worker", "gpu_type",
    "time_limit_s", "attempt", "end_reason", "script_name",
)  # fmt: skip
_SELECT = """SELECT j.id, j.name, j.user, j.account, j.qos, j.partition, j.state, j.exit_code,
                    j.workers * j.gpus_per_worker, j.submitted_at, a.started_at, j.ended_at,
                    (SELECT coalesce(sum(charged_gpu_s), 0.0) FROM attempts WHERE job_id = j.id), j.error,
                    j.array_id, j.array_index, j.workers, j.gpus_per_worker, j.gpu_type, j.time_limit_s, j.attempt,
                    j.end_reason, j.script_name
             FROM jobs j LEFT JOIN attempts a ON a.job_id = j.id AND a.number = j.attempt
             WHERE j.ended_at IS NOT NULL"""
_EQUAL = ("user", "account", "state", "partition")  # the index of the first one given is used, the rest is looked at
_NAMES = "SELECT group_concat(name, char(10)) FROM (SELECT DISTINCT name FROM jobs WHERE ended_at IS NOT NULL)"
_LONGEST_REGEX_S = 5.0
_MOST_REGEXES = 2  # at a time: each keeps a thread waiting, and there are few
_MOST_NAMES = 20_000

# A regular expression of somebody's may take for ever, and would stop all of Python meanwhile: not in this process.
_MATCH = """
import re, sys
pattern = sys.stdin.buffer.readline().decode()[:-1]
search = re.compile(pattern).search
names = sys.stdin.buffer.read().decode().split("\\n")
sys.stdout.buffer.write("\\n".join(name for name in names if search(name)).encode())
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which jobs: None is any. `since` <= end < `until` in Unix seconds; of `glob` and `regex` one at most.

    `before` is the (end, number) of the last job that was told.
    """

    user: str | None = None
    account: str | None = None
    partition: str | None = None
    state: str | None = None
    since: float | None = None
    until: float | None = None
    glob: str | None = None
    regex: str | None = None
    before: tuple[float, int] | None = None
    limit: int = 100


class History:
    """Answers in the thread that asks, one at a time, and beside it one that may take long.

    The writer and the event loop go on meanwhile.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._long = threading.Lock()  # of what may take seconds, so that nothing else waits for it
        self._regexes = threading.BoundedSemaphore(_MOST_REGEXES)

    def jobs(self, wanted: Wanted) -> list[tuple[Any, ...]]:
        """Return rows of `COLUMNS`, the newest end first.

        Raises:
            UsageError: the regular expression is none, or takes too long.
            UnavailableError: the state cannot be read, or too many patterns are looked for already.
        """
        names = None if wanted.regex is None else self._matching(wanted.regex)
        with self._reading() as connection:
            sql, params = _question(wanted, names)
            return connection.execute(sql, params).fetchall()

    def use(
        self, asked: reports.Asked, now: float, per: reports.Per = "day"
    ) -> dict[tuple[reports.Key, int], reports.Use]:
        """Return what was used, by (the values of `asked.by`, a UTC day of the period).

        Raises:
            UnavailableError: the state cannot be read.
        """
        with self._reading(self._long) as connection:
            return reports.use(connection, asked, now, per)

    def waits(self, asked: reports.Asked, per: reports.Per = "total") -> dict[tuple[reports.Key, int], reports.Wait]:
        """Return how long jobs waited, by (the values of `asked.by`, a UTC day of the period).

        Raises:
            UnavailableError: the state cannot be read.
        """
        with self._reading(self._long) as connection:
            return reports.waits(connection, asked, per)

    def wasted(self, since: float) -> list[WasteRow]:
        """Return what was held, and what of it for nothing, from the UTC day of `since` on.

        Raises:
            UnavailableError: the state cannot be read.
        """
        with self._reading() as connection:
            return reports.wasted(connection, since=since)

    def nodes(self, *, since: float, until: float, node: str | None = None, most: int | None = None) -> list[NodeSpan]:
        """Return what of nodes was so within a time, the oldest first; `most` rows of it.

        Raises:
            UnavailableError: the state cannot be read.
        """
        with self._reading(self._long) as connection:
            return nodes.spans(connection, since=since, until=until, node=node, most=most)

    def nodes_recorded(self) -> tuple[float, float] | None:
        """Return since when nodes are recorded, and from when on jobs of before are known; None if never.

        Raises:
            UnavailableError: the state cannot be read.
        """
        with self._reading() as connection:
            return nodes.recorded(connection)

    def _matching(self, regex: str) -> list[str]:
        """Return the names of ended jobs in which the regular expression is found. Other questions go on meanwhile."""
        if not self._regexes.acquire(blocking=False):
            raise UnavailableError(f"{_MOST_REGEXES} patterns are looked for already: try again in some seconds.")
        try:
            with self._reading() as connection:
                names: str | None = connection.execute(_NAMES).fetchone()[0]
            return _matching(names, regex)
        finally:
            self._regexes.release()

    @contextmanager
    def _reading(self, lock: threading.Lock | None = None) -> Generator[sqlite3.Connection]:
        try:
            with (
                self._lock if lock is None else lock,
                closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=5)) as connection,
            ):
                yield connection
        except sqlite3.Error as error:
            raise UnavailableError(f"The state in {self._path} cannot be read: {error}.") from error


def _question(wanted: Wanted, names: list[str] | None) -> tuple[str, dict[str, Any]]:
    params: dict[str, Any] = {"limit": wanted.limit}
    terms: list[str] = []
    is_named = wanted.glob is not None or names is not None
    leading = next((name for name in _EQUAL if getattr(wanted, name) is not None), None)
    by_name = is_named and leading is None and not (names and len(names) > _MOST_NAMES)
    for name in _EQUAL:
        if getattr(wanted, name) is not None:
            # A plus keeps the planner from an index: it knows nothing of which one is the better.
            terms.append(f"{'' if name == leading else '+'}j.{name} = :{name}")
            params[name] = getattr(wanted, name)
    if names is not None:
        terms.append(f"{'' if by_name else '+'}j.name IN (SELECT value FROM json_each(:names))")
        params["names"] = _json(names)
    if wanted.glob is not None:
        # The matching names first: there are fewer of them than jobs.
        among = "SELECT DISTINCT name FROM jobs WHERE ended_at IS NOT NULL AND name GLOB :glob"
        terms.append(f"j.name IN ({among})" if by_name else "j.name GLOB :glob")
        params["glob"] = wanted.glob
    for name, term in (("since", "j.ended_at >= :since"), ("until", "j.ended_at < :until")):
        if getattr(wanted, name) is not None:
            terms.append(term)
            params[name] = getattr(wanted, name)
    if wanted.before is not None:
        terms.append("(j.ended_at, j.id) < (:before_at, :before_id)")
        params["before_at"], params["before_id"] = wanted.before
    where = "".join(f" AND {term}" for term in terms)
    return f"{_SELECT}{where} ORDER BY j.ended_at DESC, j.id DESC LIMIT :limit", params


def _json(names: list[str]) -> str:
    import json

    return json.dumps(names)


def _matching(names: str | None, regex: str) -> list[str]:
    """Return those of the names, a line each, in which the regular expression is found."""
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _MATCH],
            input=f"{regex}\n{names or ''}".encode(),  # what is no pattern is refused also where there is no job
            capture_output=True,
            timeout=_LONGEST_REGEX_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise UsageError(f"That pattern takes longer than {_LONGEST_REGEX_S:g} s: use a simpler one.") from error
    if done.returncode:
        raise UsageError("That pattern is no regular expression that Python knows.")
    return done.stdout.decode().split("\n") if done.stdout and names is not None else []
