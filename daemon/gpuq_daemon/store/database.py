"""One SQLite file: numbered migrations, one writer with group commit, a reader."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeVar

import sqlite_utils
from sqlite_utils.migrations import Migrations

from gpuq.errors import FullError, UnavailableError
from gpuq_daemon.store.copies import prepare
from gpuq_daemon.store.opening import complaint, readable, told
from gpuq_daemon.store.sums import add_functions
from gpuq_daemon.vitals import Vitals

logger = logging.getLogger(__name__)

T = TypeVar("T")
Write = Callable[[sqlite_utils.Database], Any]
LOCK_WAIT_S = 20.0  # for another program that keeps the file locked
Besides = Callable[[sqlite_utils.Database, Any], None]
_MOST_IN_A_COMMIT = 512
# Makes what a write of a context takes along, given its answer: it is made, undone, and made again with it.
taken_along: ContextVar[Callable[[], Besides | None] | None] = ContextVar("taken_along", default=None)


@dataclass(slots=True)
class _Request:
    write: Write
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]


class Database:
    """A file of its own thread: writes are queued and committed together, and are durable when acknowledged.

    There is no batch window: while one commit syncs, the next writes gather. One that fails undoes only itself: the
    others are then run again, each in a savepoint. Savepoints for all, always, took a third of the writing.
    """

    def __init__(
        self,
        path: Path,
        schema: str,
        *,
        synchronous: Literal["FULL", "NORMAL"] = "FULL",
        vitals: Vitals | None = None,
    ) -> None:
        self.path = path
        self._vitals = vitals or Vitals()
        self._commits, self._queries = self._vitals.commits[f"{schema}.db"], self._vitals.queries[f"{schema}.db"]
        self._synchronous = synchronous
        prepare(path, schema)
        with readable(path):
            self._writer = self._open()
            _migrations(schema).apply(self._writer)
            self._reader = self._open()
        self._failure: UnavailableError | None = None
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name=f"write {path.name}", daemon=True)
        self._thread.start()

    async def write(self, write: Callable[[sqlite_utils.Database], T]) -> T:
        """Run `write` in a transaction and return its answer once that is durable.

        `write` may be run again where others that were to be committed with it were in its way.

        Raises:
            FullError: there is no room for it; nothing of it stands.
            UnavailableError: the transaction could not be committed; nothing of it stands.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        besides = taken_along.get()
        self._requests.put(_Request(_with(write, None if besides is None else besides()), loop, future))
        return await future

    def rows(self, sql: str, params: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """Return what is committed as dictionaries; for the event loop's thread, and short questions.

        Raises:
            UnavailableError: the file cannot be read.
        """
        with told(self.path), self._queries.timed() as timed:
            cursor = self._reader.execute(sql, params or {})
            names = [column[0] for column in cursor.description]
            found = [dict(zip(names, row, strict=True)) for row in cursor]
        self._vitals.note_statement(sql, timed.seconds)
        return found

    def tuples(self, sql: str, params: dict[str, Any] | None = None) -> Iterator[tuple[Any, ...]]:
        """Go through what is committed, one row at a time; for answers of very many rows.

        Raises:
            UnavailableError: the file cannot be read.
        """
        with told(self.path):
            yield from self._reader.execute(sql, params or {})

    def close(self) -> None:
        """Commit what is queued, then close the file."""
        self._requests.put(None)
        self._thread.join()
        self._reader.close()
        self._writer.close()

    def _open(self) -> sqlite_utils.Database:
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=LOCK_WAIT_S)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {self._synchronous}")
        connection.execute("PRAGMA foreign_keys = ON")
        add_functions(connection)
        return sqlite_utils.Database(connection, execute_plugins=False)

    def _serve(self) -> None:
        while (first := self._requests.get()) is not None:
            batch = [first]
            is_last = False
            while len(batch) < _MOST_IN_A_COMMIT and not self._requests.empty():
                request = self._requests.get()
                if request is None:
                    is_last = True
                    break
                batch.append(request)
            with self._commits.timed() as timed:
                self._commit(batch)
            self._vitals.writes += len(batch)
            self._vitals.note_statement(f"commit with {_name(batch[0].write)}", timed.seconds)
            if is_last:
                return

    def _commit(self, batch: list[_Request]) -> None:
        """Commit writes together; what one of them has no room for must not keep the others from being written."""
        answers = self._together(batch)
        if answers is None and len(batch) > 1 and isinstance(self._failure, FullError):
            for request in batch:
                self._commit([request])
            return
        if answers is None:
            answers = [(request, None, self._failure) for request in batch]
        for loop in {request.loop for request in batch}:
            with contextlib.suppress(RuntimeError):  # the loop of who asked is closed
                loop.call_soon_threadsafe(_deliver, [one for one in answers if one[0].loop is loop])

    def _together(self, batch: list[_Request]) -> list[tuple[_Request, Any, BaseException | None]] | None:
        """Return the answers of writes once they are durable; None, with `_failure`, if nothing of them stands."""
        connection = self._writer.conn
        try:
            connection.execute("BEGIN IMMEDIATE")
            answers = self._all(batch) or [(request, *self._apart(request)) for request in batch]
            if connection.in_transaction:
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._failure = complaint(self.path, error) or UnavailableError(
                f"The state in {self.path} cannot be written: {error}. Nothing was changed."
            )
            self._failure.__cause__ = error
            self._roll_back()
            return None
        return answers

    def _roll_back(self) -> None:
        """Leave the transaction, by a new connection if need be: SQLite may have left it already, or be unable to."""
        connection = self._writer.conn
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            logger.exception("the database is opened anew", extra={"path": str(self.path)})
            with contextlib.suppress(sqlite3.Error):  # not even that: the next write tries again
                self._writer = self._open()
                connection.close()

    def _all(self, batch: list[_Request]) -> list[tuple[_Request, Any, BaseException | None]] | None:
        """Run all writes; None, in a new transaction, if one of several failed: nothing of them stands."""
        try:
            return [(request, request.write(self._writer), None) for request in batch]
        except Exception as error:
            if isinstance(error, sqlite3.OperationalError) or _is_of_the_file(self.path, error):
                raise  # the file, not the question: the whole batch fails
            self._writer.conn.execute("ROLLBACK")
            if len(batch) == 1:
                return [(batch[0], None, error)]
        self._writer.conn.execute("BEGIN IMMEDIATE")
        return None

    def _apart(self, request: _Request) -> tuple[Any, BaseException | None]:
        """Run one write of several; if it fails, undo it alone."""
        connection = self._writer.conn
        connection.execute("SAVEPOINT write")
        try:
            answer = request.write(self._writer)
        except Exception as error:
            if isinstance(error, sqlite3.OperationalError) or _is_of_the_file(self.path, error):
                raise
            connection.execute("ROLLBACK TO write")
            connection.execute("RELEASE write")
            return None, error
        connection.execute("RELEASE write")
        return answer, None


def _name(write: Write) -> str:
    """Return what a write is called: its function's name, also of one with arguments bound."""
    function = write.func if isinstance(write, partial) else write
    return getattr(function, "__qualname__", "?")


def _is_of_the_file(path: Path, error: Exception) -> bool:
    return isinstance(error, sqlite3.Error) and complaint(path, error) is not None


def _with(write: Write, besides: Besides | None) -> Write:
    if besides is None:
        return write

    def both(tables: sqlite_utils.Database) -> Any:
        answer = write(tables)
        besides(tables, answer)
        return answer

    both.__qualname__ = _name(write)  # what is slow is told by this name
    return both


def _deliver(answers: list[tuple[_Request, Any, BaseException | None]]) -> None:
    for request, answer, failed in answers:
        if request.future.done():
            continue  # who asked has gone; what was written stands
        if failed is None:
            request.future.set_result(answer)
        else:
            request.future.set_exception(failed)


def _migrations(schema: str) -> Migrations:
    """Return the numbered files of `schema/<schema>/` in order; a file never changes once released."""
    migrations = Migrations(schema)
    folder = resources.files("gpuq_daemon.store").joinpath("schema", schema)
    for file in sorted(folder.iterdir(), key=lambda f: f.name):
        if file.name.endswith(".sql"):
            migrations(name=file.name.removesuffix(".sql"))(_script(file.read_text()))
    return migrations


def _script(text: str) -> Any:
    def run(db: sqlite_utils.Database) -> None:
        for statement in _statements(text):
            db.conn.execute(statement)

    return run


def _statements(text: str) -> Iterator[str]:
    """Yield single statements: `executescript` would commit the transaction that a migration runs in."""
    pending = ""
    for line in text.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
