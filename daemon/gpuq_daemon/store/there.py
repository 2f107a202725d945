"""Whether what a job was let in with is still there when it is written."""

from __future__ import annotations

from sqlite_utils import Database as Tables

from gpuq.errors import UsageError

_THERE = """SELECT
  EXISTS (SELECT 1 FROM associations WHERE user = :user AND account = :account)
    OR (:account = 'root' AND NOT EXISTS (SELECT 1 FROM associations)),
  EXISTS (SELECT 1 FROM qos WHERE name = :qos),
  :reservation IS NULL OR EXISTS (SELECT 1 FROM reservations WHERE name = :reservation),
  (SELECT coalesce(sum(jobs), 0) FROM queued)"""


def refuse_vanished(tables: Tables, user: str, account: str, qos: str, reservation: str | None) -> int:
    """Return how many jobs wait, if what the job was let in with is still there: it may have been deleted since.

    Raises:
        UsageError: it has.
    """
    named = {"user": user, "account": account, "qos": qos, "reservation": reservation}
    has_account, has_qos, has_reservation, waiting = tables.execute(_THERE, named).fetchone()
    if not has_account:
        raise UsageError(f"User {user} is not in the account {account} any more.")
    if not has_qos:
        raise UsageError(f"There is no QOS {qos} any more.")
    if not has_reservation:
        raise UsageError(f"There is no reservation {reservation} any more.")
    return waiting
