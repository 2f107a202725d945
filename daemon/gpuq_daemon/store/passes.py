"""Passes on record, bounded in days and bytes."""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import dataclass
from itertools import pairwise

from sqlite_utils import Database as Tables

from gpuq.errors import UnavailableError
from gpuq_daemon.store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A pass: `whole` is the scene on record before it, `changes` lead from there to its own; `decided` came of it."""

    at: float
    whole: bytes
    changes: tuple[bytes, ...]
    decided: bytes


class PassStore:
    """Writes through the database's writer; reads over a connection of its own, in the thread that asks."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._lock = threading.Lock()
        [row] = database.rows("SELECT coalesce(sum(length(scene) + length(decided)), 0) AS size FROM passes")
        self._size: int = row["size"]

    async def add(self, at: float, scene: bytes, decided: bytes, *, base: int | None) -> int:
        """Write down a pass and return its number; `base` is the pass that its scene is a difference to."""

        def write(tables: Tables) -> int:
            row = {"at": at, "base": base, "scene": scene, "decided": decided}
            added = tables.conn.execute(
                "INSERT INTO passes (at, base, scene, decided) VALUES (:at, :base, :scene, :decided)", row
            )
            assert added.lastrowid is not None
            return added.lastrowid

        number = await self._db.write(write)
        self._size += len(scene) + len(decided)
        return number

    async def trim(self, *, before: float, most_bytes: int) -> None:
        """Drop what is older, and of the rest the oldest until it has room; what others build on stays with them."""

        def write(tables: Tables) -> int:
            wholes = tables.conn.execute("SELECT id, at FROM passes WHERE base IS NULL ORDER BY id").fetchall()
            size = self._size
            for (number, _), (following, at) in pairwise(wholes):
                if at >= before and size <= most_bytes:
                    break
                span = {"first": number, "next": following}
                [gone] = tables.conn.execute(
                    "SELECT coalesce(sum(length(scene) + length(decided)), 0) FROM passes"
                    " WHERE id >= :first AND id < :next",
                    span,
                ).fetchone()
                tables.conn.execute("DELETE FROM passes WHERE id >= :first AND id < :next", span)
                size -= gone
            return size

        self._size = await self._db.write(write)

    async def keep(self, name: str, value: bytes) -> None:
        """Keep something over a restart, in place of what was kept by that name."""
        row = {"name": name, "value": value}
        await self._db.write(
            lambda tables: tables.execute("INSERT OR REPLACE INTO kept (name, value) VALUES (:name, :value)", row)
        )

    def kept(self, name: str) -> bytes | None:
        """Return what was kept by a name."""
        rows = self._db.rows("SELECT value FROM kept WHERE name = :name", {"name": name})
        return rows[0]["value"] if rows else None

    @property
    def size(self) -> int:
        """Bytes on record."""
        return self._size

    def at(self, when: float) -> Recorded | None:
        """Return the last pass on record up to a moment, None if there is none.

        Raises:
            UnavailableError: the record cannot be read.
        """
        try:
            with self._lock, sqlite3.connect(f"file:{self._db.path}?mode=ro", uri=True, timeout=5) as connection:
                found = _found(connection, when)
            connection.close()
        except sqlite3.Error as error:
            raise UnavailableError(f"The record in {self._db.path} cannot be read: {error}.") from error
        return found


def _found(connection: sqlite3.Connection, when: float) -> Recorded | None:
    sql = "SELECT at, base, scene, decided FROM passes WHERE at <= :at ORDER BY at DESC, id DESC LIMIT 1"
    row = connection.execute(sql, {"at": when}).fetchone()
    if row is None:
        return None
    at, base, scene, decided = row
    scenes: list[bytes] = [scene]
    while base is not None:
        before = connection.execute("SELECT base, scene FROM passes WHERE id = :id", {"id": base}).fetchone()
        if before is None:
            return None  # it has just been dropped
        base, scene = before
        scenes.append(scene)
    whole, *changes = reversed(scenes)
    return Recorded(at=at, whole=whole, changes=tuple(changes), decided=decided)
