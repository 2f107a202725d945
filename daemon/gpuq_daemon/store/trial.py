"""What operators may decide, tried: a change is made in a transaction, looked at, and taken back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sqlite_utils import Database as Tables

from gpuq_daemon.store import accounts_rows as rows
from gpuq_daemon.store.accounts import AccountStore
from gpuq_daemon.store.accounts_rows import Ask, asking

T = TypeVar("T")
_SEEN: dict[str, Callable[[Ask], Any]] = {
    "tree": rows.read_tree,
    "qos": rows.read_qos,
    "limits": rows.read_limits,
    "reservations": rows.read_reservations,
    "drains": rows.read_drains,
}


class _TakenBackError(Exception):
    """Ends the transaction so that nothing of it stands."""

    def __init__(self, made: Any, seen: dict[str, Any]) -> None:
        super().__init__("tried only")
        self.made = made
        self.seen = seen


class TrialStore(AccountStore):
    """Answers as if its one change had been made; it is refused as it would be, and nothing of it is kept."""

    async def _change(self, change: Callable[[Tables, Ask], T]) -> T:
        def tried(tables: Tables) -> None:
            ask = asking(tables)
            made = change(tables, ask)
            raise _TakenBackError(made, {what: read(ask) for what, read in _SEEN.items()})

        try:
            await self._db.write(tried)
        except _TakenBackError as end:
            self._known.update(end.seen)
            return end.made
        raise AssertionError("a change that was only tried was made")
