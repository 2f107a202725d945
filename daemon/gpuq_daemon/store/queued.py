"""How many jobs wait, as the tables keep count of them."""

from __future__ import annotations

from sqlite_utils import Database as Tables

from gpuq_daemon.store.job_rows import Queued
from gpuq_daemon.store.there import refuse_vanished


class QueueCounts:
    """The jobs that wait, within a transaction: what it has changed is counted."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def refuse_vanished(self, user: str, account: str, qos: str, reservation: str | None) -> int:
        """Return how many jobs wait, if a user is still in the account, and QOS and reservation are still there.

        Raises:
            UsageError: something has been deleted since the job was let in.
        """
        return refuse_vanished(self._tables, user, account, qos, reservation)

    def by_owner(self) -> list[Queued]:
        """Return how many jobs of each user, account and QOS wait, of those that have any."""
        rows = self._tables.execute("SELECT user, account, qos, jobs FROM queued WHERE jobs > 0")
        return [Queued(*row) for row in rows]
