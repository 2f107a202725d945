"""All keys of a view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from gpuq_tui.lines.line import Line, Look, Tone
from gpuq_tui.widgets.pane import Pane


class HelpScreen(ModalScreen[None]):
    """Shows keys with what they do; keys that do the same share a line."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark,enter", "close", "close")]

    def __init__(self, keys: Sequence[tuple[str, str]], *, look: Look) -> None:
        super().__init__()
        self._lines = help_lines(keys)
        self._look = look

    def compose(self) -> ComposeResult:
        """Yield the list of keys."""
        yield Pane(look=self._look, title="Keys (esc closes)", id="help")

    def on_mount(self) -> None:
        """Show the keys."""
        self.query_one(Pane).show(self._lines)

    def action_close(self) -> None:
        """Go back to the view."""
        self.dismiss()


def help_lines(keys: Sequence[tuple[str, str]]) -> list[Line]:
    """Return a line for each thing that can be done, in the order given, with all its keys."""
    by_deed: dict[str, list[str]] = {}
    for key, deed in keys:
        known = by_deed.setdefault(deed, [])
        if key not in known:
            known.append(key)
    return [((f"  {' '.join(known):<18}", Tone.STRONG), (deed, Tone.PLAIN)) for deed, known in by_deed.items()]
