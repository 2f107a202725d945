"""What nodes there were, with which GPUs, and whether jobs could have them."""

from __future__ import annotations

import sqlite3
from dataclasses import asdict
from functools import partial

import msgspec
from sqlite_utils import Database as Tables

from gpuq.sharing import NodeSpan
from gpuq_daemon.policy.node_spans import Changed, Seen
from gpuq_daemon.policy.rollup import DAY_S
from gpuq_daemon.store.database import Database

_MOST_SPANS = 100_000
_COLUMNS = "node, partition, gpu_type, gpus, state, reason, by_user, began_at, ended_at"
_BEGIN = f"""
INSERT INTO node_record SELECT 1, :now, min(:now, coalesce((SELECT min(day) * {DAY_S} FROM used), :now),
  coalesce((SELECT min(started_at) FROM attempts WHERE ended_at IS NULL), :now))
WHERE NOT EXISTS (SELECT 1 FROM node_record)"""
# What is too old to be kept is not taken to have been otherwise: the record begins after it.
_BOUND = """
DELETE FROM node_spans WHERE ended_at IS NOT NULL AND id <= (SELECT max(id) - :most FROM node_spans)
RETURNING ended_at"""


class NodeStore:
    """The record of nodes, as it is written; of what is over, the last `most_spans` are kept."""

    def __init__(self, database: Database, *, most_spans: int = _MOST_SPANS) -> None:
        self._db = database
        self._most_spans = most_spans

    def now(self) -> dict[str, Seen]:
        """Return every node as it was at the last look."""
        columns = ", ".join(Seen.__dataclass_fields__)
        rows = self._db.rows(f"SELECT {columns} FROM node_spans WHERE ended_at IS NULL")
        return {row["node"]: msgspec.convert(row, Seen) for row in rows}

    async def note(self, changed: Changed, now: float) -> None:
        """Keep what has changed."""
        await self._db.write(partial(_note, changed=changed, now=now, most_spans=self._most_spans))


def spans(
    connection: sqlite3.Connection, *, since: float, until: float, node: str | None = None, most: int | None = None
) -> list[NodeSpan]:
    """Return what of nodes was so within a time, the oldest first; `most` rows of it."""
    where = "began_at <= :until AND coalesce(ended_at, :until) >= :since AND (:node IS NULL OR node = :node)"
    cursor = connection.execute(
        f"SELECT {_COLUMNS} FROM node_spans WHERE {where} ORDER BY began_at, node LIMIT :most",
        {"since": since, "until": until, "node": node, "most": -1 if most is None else most},
    )
    names = [column[0] for column in cursor.description]
    return [msgspec.convert(dict(zip(names, row, strict=True)), NodeSpan) for row in cursor]


def recorded(connection: sqlite3.Connection) -> tuple[float, float] | None:
    """Return since when nodes are recorded, and from when on jobs of before are known; None before the first look."""
    return connection.execute("SELECT began_at, assumed_from FROM node_record").fetchone()


def _note(tables: Tables, changed: Changed, now: float, most_spans: int) -> None:
    tables.execute(_BEGIN, {"now": now})
    for node, at in changed.ended:
        tables.execute(
            "UPDATE node_spans SET ended_at = max(began_at, :at) WHERE node = :node AND ended_at IS NULL",
            {"node": node, "at": at},
        )
    for one in changed.began:
        tables.execute(
            f"""INSERT INTO node_spans ({_COLUMNS})
                VALUES (:node, :partition, :gpu_type, :gpus, :state, :reason, :by_user, :now, NULL)""",
            {**asdict(one), "now": now},
        )
    gone = [ended_at for (ended_at,) in tables.execute(_BOUND, {"most": most_spans}).fetchall()]
    if gone:
        tables.execute("UPDATE node_record SET began_at = :at, assumed_from = :at", {"at": max(gone)})
