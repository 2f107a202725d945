"""The record of changes: who, from where, when, what, and what became of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from dataclasses import fields
from typing import Any

from sqlite_utils import Database as Tables

from gpuq.identity import AuditRow
from gpuq_daemon.store.database import Database, taken_along

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
    def along(self, next_row: Callable[[Any], AuditRow | None], *, keep_s: float) -> Generator[None]:
        """Let every transaction made in the block add the row that `next_row` makes of its answer, if any."""

        def add(tables: Tables, answer: Any) -> None:
            row = next_row(answer)
            if row is not None:
                _add(tables, row, keep_s)

        before = taken_along.set(add)
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


def _add(tables: Tables, row: AuditRow, keep_s: float) -> None:
    number = int(tables.execute(_INSERT, {name: getattr(row, name) for name in _COLUMNS}).lastrowid or 0)
    if number % _CLEARED_EVERY == 0:
        tables.execute("DELETE FROM audit WHERE at < :before", {"before": row.at - keep_s})
