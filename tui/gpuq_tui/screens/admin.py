"""What operators decide, and how gpuqd fares."""

from __future__ import annotations

from collections.abc import Sequence

from gpuq_tui.lines.actions import Action
from gpuq_tui.lines.admin import Entry, entries
from gpuq_tui.lines.line import Tone, line
from gpuq_tui.screens.rows_view import RowsView


class AdminScreen(RowsView):
    """View 7: the daemon's health, drains, reservations, accounts, QOS, limits; each line with what can be done."""

    name_of_view = "admin"
    lists = ("diag", "drains", "reservations", "people", "qos", "limits")
    _entries: Sequence[Entry] = ()

    def keys(self) -> str:
        """Return the commonest keys."""
        return "jk move  enter what can be done  : command  ? help  q queue"

    def actions(self) -> Sequence[Action]:
        """Return what can be done with the line under the cursor."""
        entry = self._entry()
        return () if entry is None else entry.actions

    def offers(self) -> Sequence[tuple[str, str]]:
        """Return the name under the cursor."""
        entry = self._entry()
        kind, _, name = ("", "", "") if entry is None else entry.key.partition(" ")
        return ((kind, name),) if name else ()

    def show_rows(self) -> None:
        """Show all sections."""
        self._entries = entries(self.known)
        keys, lines = [entry.key for entry in self._entries], [entry.line for entry in self._entries]
        self.table.show_rows(keys, lines, title="Admin", nothing=self.missing())

    def show_detail(self) -> None:
        """Show the lines that would do what can be done."""
        offered = [((f"{a.key}  ", Tone.STRONG), (f"{a.line}  {a.deed}", Tone.PLAIN)) for a in self.actions()]
        refused = [line(text, Tone.WARN) for text in self.refused.values()]
        self.detail.show([*offered, *refused] or [line("nothing to be done here", Tone.DIM)], title="x or enter")

    def _entry(self) -> Entry | None:
        at = self.table.cursor
        return self._entries[at] if at < len(self._entries) else None
