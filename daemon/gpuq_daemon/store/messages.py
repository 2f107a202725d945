"""The outbox: what is to be told of jobs, kept until it has been told or given up."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
from sqlite_utils import Database as Tables

from gpuq.models import JobState, Message
from gpuq_daemon.policy.telling import Notice, Subject
from gpuq_daemon.policy.ways import Way, WayKind
from gpuq_daemon.store.database import Database
from gpuq_daemon.store.job_rows import HOLDING

MOST_WAITING = 1000  # of a user; what comes on top is dropped, with that reason
_FORGOTTEN_AT_ONCE = 500
_SHOWN = """id, key, job_id, user, event, kind, address, at, state, tries,
  CASE state WHEN 'waiting' THEN next_at END AS next_at, ended_at, said"""
_SUBJECT = """j.id AS job_id, j.name, j.user, j.uid, j.account, j.partition, j.state,
  coalesce(j.notify, '') AS notify, j.notify_to, j.exit_code, j.error, j.array_id, j.array_index, j.time_limit_s,
  j.submitted_at, a.started_at, a.running_at, coalesce(j.ended_at, a.ended_at) AS ended_at"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """A state that a job has come into and that somebody asked to be told of."""

    id: int
    state: JobState
    subject: Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message that is to be sent now, for the `tries`-th time before."""

    id: int
    key: str
    user: str
    uid: int
    way: Way
    notice: Notice
    tries: int


class MessageStore:
    """Happenings and messages. Every change is durable when it returns."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def happenings(self, limit: int) -> list[Happening]:
        """Return the oldest states that are still to be told of."""
        rows = self._db.rows(
            f"""SELECT h.id, h.state AS into_state, h.attempt, {_SUBJECT}
                FROM happenings h JOIN jobs j ON j.id = h.job_id
                LEFT JOIN attempts a ON a.job_id = h.job_id AND a.number = h.attempt
                ORDER BY h.id LIMIT :limit""",
            {"limit": limit},
        )
        return [
            Happening(id=row["id"], state=JobState(row["into_state"]), subject=msgspec.convert(row, Subject))
            for row in rows
        ]

    def running(self) -> list[Subject]:
        """Return the jobs that hold GPUs and of which something is to be told."""
        rows = self._db.rows(
            f"""SELECT {_SUBJECT}, j.attempt FROM jobs j
                LEFT JOIN attempts a ON a.job_id = j.id AND a.number = j.attempt
                WHERE j.state IN {HOLDING} AND j.notify IS NOT NULL"""
        )
        return [msgspec.convert(row, Subject) for row in rows]

    def tasks(self, array_id: int) -> tuple[dict[str, int], int]:
        """Return an array's tasks by state, and how many attempts they have had together."""
        rows = self._db.rows(
            "SELECT state, count(*) AS tasks, sum(attempt) AS attempts FROM jobs WHERE array_id = :id GROUP BY state",
            {"id": array_id},
        )
        return {row["state"]: row["tasks"] for row in rows}, sum(row["attempts"] for row in rows)

    def known(self, notices: Iterable[str]) -> set[str]:
        """Return which of these notices are in the outbox already, or have been."""
        rows = self._db.rows(
            """SELECT DISTINCT value FROM json_each(:keys)
               WHERE EXISTS (SELECT 1 FROM messages WHERE key = value || '#0')""",
            {"keys": json.dumps(list(notices))},
        )
        return {row["value"] for row in rows}

    async def take(
        self, happenings: Sequence[int], notices: Sequence[tuple[Subject, Notice, tuple[Way, ...]]], *, now: float
    ) -> None:
        """Put notices, each by all its ways, into the outbox, and be done with the happenings that they are of.

        What is there already is not put there again.
        """

        def write(tables: Tables) -> None:
            for subject, notice, ways in notices:
                for place, way in enumerate(ways):
                    _put(tables, subject, notice, f"{notice.id}#{place}", way, now)
            tables.execute(
                "DELETE FROM happenings WHERE id IN (SELECT value FROM json_each(:ids))",
                {"ids": json.dumps(list(happenings))},
            )

        await self._db.write(write)

    def due(self, now: float, *, besides: Iterable[int], each: int, limit: int) -> list[Outgoing]:
        """Return what is to be sent now, `each` of a user's at most, but those that are being sent."""
        rows = self._db.rows(
            """SELECT id, key, user, uid, kind, address, notice, tries FROM (
                 SELECT *, row_number() OVER (PARTITION BY user ORDER BY next_at, id) AS place
                 FROM messages WHERE state = 'waiting' AND next_at <= :now
               ) WHERE place <= :each AND id NOT IN (SELECT value FROM json_each(:ids))
               ORDER BY place, id LIMIT :limit""",
            {"now": now, "ids": json.dumps(list(besides)), "each": each, "limit": limit},
        )
        return [
            Outgoing(
                id=row["id"],
                key=row["key"],
                user=row["user"],
                uid=row["uid"],
                way=Way(kind=WayKind(row["kind"]), to=row["address"]),
                notice=msgspec.json.decode(row["notice"], type=Notice),
                tries=row["tries"],
            )
            for row in rows
        ]

    async def sent(self, message_id: int, *, now: float) -> None:
        """Note that a message has been taken by whom it was for."""
        await self._end(message_id, "sent", None, now)

    async def dropped(self, message_id: int, why: str, *, now: float) -> None:
        """Note that a message is given up, and why."""
        await self._end(message_id, "dropped", why, now)

    async def failed(self, message_id: int, why: str, *, next_at: float) -> None:
        """Note that a message could not be sent now; it is tried again at `next_at`."""
        values = {"id": message_id, "why": why, "next_at": next_at}
        await self._db.write(
            lambda tables: tables.execute(
                "UPDATE messages SET tries = tries + 1, said = :why, next_at = :next_at WHERE id = :id", values
            )
        )

    def messages(
        self, *, user: str | None = None, job_id: int | None = None, state: str | None = None, limit: int
    ) -> list[Message]:
        """Return messages, the newest first: all, a user's, a job's, those in a state."""
        rows = self._db.rows(
            f"""SELECT {_SHOWN} FROM messages
                WHERE (:user IS NULL OR user = :user) AND (:job_id IS NULL OR job_id = :job_id)
                AND (:state IS NULL OR state = :state) ORDER BY id DESC LIMIT :limit""",
            {"user": user, "job_id": job_id, "state": state, "limit": limit},
        )
        return [msgspec.convert(row, Message) for row in rows]

    def waiting(self) -> dict[str, int]:
        """Return how many messages wait, by kind."""
        rows = self._db.rows("SELECT kind, count(*) AS messages FROM messages WHERE state = 'waiting' GROUP BY kind")
        return {row["kind"]: row["messages"] for row in rows}

    async def forget(self, *, before: float) -> bool:
        """Forget messages that ended before then, a few at a time; return whether there may be more."""
        gone = await self._db.write(
            lambda tables: (
                tables.execute(
                    """DELETE FROM messages WHERE id IN (SELECT id FROM messages WHERE ended_at < :before
                       AND job_id NOT IN (SELECT id FROM jobs WHERE ended_at IS NULL) ORDER BY ended_at LIMIT :most)""",
                    {"before": before, "most": _FORGOTTEN_AT_ONCE},
                ).rowcount
            )
        )
        return gone >= _FORGOTTEN_AT_ONCE

    async def _end(self, message_id: int, state: str, why: str | None, now: float) -> None:
        values = {"id": message_id, "state": state, "why": why, "now": now}
        await self._db.write(
            lambda tables: tables.execute(
                """UPDATE messages SET state = :state, tries = tries + 1, said = :why, ended_at = :now
                   WHERE id = :id""",
                values,
            )
        )


def _put(tables: Tables, subject: Subject, notice: Notice, key: str, way: Way, now: float) -> None:
    """Put one message into the outbox; where its user has too many there already it is dropped at once."""
    waiting = tables.execute(
        "SELECT count(*) FROM messages WHERE state = 'waiting' AND user = :user", {"user": subject.user}
    ).fetchone()[0]
    too_many = f"{MOST_WAITING} messages of {subject.user} were waiting already" if waiting >= MOST_WAITING else None
    tables.execute(
        """INSERT OR IGNORE INTO messages (key, job_id, user, uid, event, kind, address, notice, at, next_at,
             state, ended_at, said)
           VALUES (:key, :job_id, :user, :uid, :event, :kind, :address, :notice, :now, :now,
             CASE WHEN :why IS NULL THEN 'waiting' ELSE 'dropped' END,
             CASE WHEN :why IS NOT NULL THEN :now END, :why)""",
        {
            "key": key,
            "job_id": notice.job_id,
            "user": subject.user,
            "uid": subject.uid,
            "event": notice.event,
            "kind": way.kind,
            "address": way.to,
            "notice": msgspec.json.encode(notice).decode(),
            "now": now,
            "why": too_many,
        },
    )
