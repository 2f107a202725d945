"""The outbox is kept as long as it is to be, however many messages are in it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from sqlite_utils import Database as Tables

from gpuq_daemon.store.database import Database
from gpuq_daemon.store.messages import MessageStore

_ENDED = """INSERT INTO messages (key, job_id, user, uid, event, kind, address, notice, at, state, next_at, ended_at)
            VALUES (:key, 1, 'ann', 1, 'ended', 'mail', 'ann', '{}', 1.0, 'sent', 1.0, :ended_at)"""


def test_what_ended_long_ago_is_forgotten_piece_by_piece_until_none_is_left(tmp_path: Path) -> None:
    def write(tables: Tables) -> None:
        for number in range(502):
            tables.execute(_ENDED, {"key": f"{number}#0", "ended_at": 10.0 if number < 501 else 30.0})

    async def run() -> tuple[bool, int, bool, list[str]]:
        database = Database(tmp_path / "state.db", "state")
        store = MessageStore(database)
        try:
            await database.write(write)
            has_more = await store.forget(before=20.0)
            left = len(store.messages(limit=1000))
            return has_more, left, await store.forget(before=20.0), [one.key for one in store.messages(limit=9)]
        finally:
            database.close()

    assert asyncio.run(run()) == (True, 2, False, ["501#0"])
