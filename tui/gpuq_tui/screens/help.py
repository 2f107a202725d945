"""All keys of a view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from gpuq_tui.lines.line import Line, Look, Tone, line, wrap
from gpuq_tui.widgets.pane import Pane


class HelpScreen(ModalScreen[None]):
    """Shows keys with what they do; keys that do the same share a line."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark,enter", "close", "close")]

    def __init__(self, keys: Sequence[tuple[str, str]], *, look: Look) -> None:
        super().__init__()
        self._keys = keys
        self._look = look

    def compose(self) -> ComposeResult:
        """Yield the list of keys."""
        yield Pane(look=self._look, title="Keys (esc closes)", id="help")

    def on_mount(self) -> None:
        """Show the keys."""
        self._show()

    def on_resize(self) -> None:
        """Wrap what does not fit in a line."""
        self.call_after_refresh(self._show)

    def _show(self) -> None:
        pane = self.query_one(Pane)
        pane.show(help_lines(self._keys, width=pane.size.width or 76))

    def action_close(self) -> None:
        """Go back to the view."""
        self.dismiss()


def help_lines(keys: Sequence[tuple[str, str]], *, width: int) -> list[Line]:
    """Return what can be done, in the order given, each with all its keys before it, wrapped to `width`."""
    by_deed: dict[str, list[str]] = {}
    for key, deed in keys:
        known = by_deed.setdefault(deed, [])
        if key not in known:
            known.append(key)
    lines: list[Line] = []
    for deed, known in by_deed.items():
        head = f"  {' '.join(known):<18} "
        first, *more = wrap(deed, width - len(head))
        lines.append(((head, Tone.STRONG), (first, Tone.PLAIN)))
        lines += [line(" " * len(head) + part) for part in more]
    return lines
