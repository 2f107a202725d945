"""The record of changes: who, from where, when, what, and what became of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from dataclasses import fields
from functools import partial
from typing import Any

from sqlite_utils import Database as Tables

from gpuq.identity import AuditRow
from gpuq_daemon.store.database import Besides, Database, taken_along

RowOf = Callable[[Any], AuditRow | None]  # the row of a write, given its answer
_CLEARED_EVERY = 1_000  # rows; looking for old ones at each would cost more than they do
_COLUMNS = tuple(field.name for field in fields(AuditRow))
_INSERT = """INSERT INTO audit (at, uid, user, token, source, verb, target, change, outcome, error)
             VALUES (:at, :uid, :user, :token, :source, :verb, :target, :change, :outcome, :error)"""


class AuditStore:
    """The record of changes. Rows are only added, and go when they are older than is kept."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def add(self, row: AuditRow, *, keep_s: float) -> None:
        """Add a row; it is durable when this returns."""
        await self._db.write(lambda tables: _add(tables, row, keep_s))

    @contextlib.contextmanager
    def along(self, next_row: Callable[[], RowOf | None], *, keep_s: float) -> Generator[None]:
        """Let every write asked for in the block add the row that `next_row()` makes of its answer, if any."""

        def next_besides() -> Besides | None:
            row_of = next_row()
            return None if row_of is None else partial(_add_row_of, row_of, keep_s)

        before = taken_along.set(next_besides)
        try:
            yield
        finally:
            taken_along.reset(before)

    def rows(self, *, since: float = 0.0, user: str | None = None, limit: int = 1_000) -> list[AuditRow]:
        """Return what happened `since` a moment, of all users or one, in the order made; of too much the newest."""
        found = self._db.rows(
            """SELECT at, uid, user, token, source, verb, target, change, outcome, error FROM audit
               WHERE at >= :since AND (:user IS NULL OR user = :user) ORDER BY id DESC LIMIT :limit""",
            {"since": since, "user": user, "limit": limit},
        )
        return [AuditRow(**row) for row in reversed(found)]


def _add_row_of(row_of: RowOf, keep_s: float, tables: Tables, answer: Any) -> None:
    row = row_of(answer)
    if row is not None:
        _add(tables, row, keep_s)


def _add(tables: Tables, row: AuditRow, keep_s: float) -> None:
    number = int(tables.execute(_INSERT, {name: getattr(row, name) for name in _COLUMNS}).lastrowid or 0)
    if number % _CLEARED_EVERY == 0:
        tables.execute("DELETE FROM audit WHERE at < :before", {"before": row.at - keep_s})
