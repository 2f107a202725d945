"""A pane of text lines below a titled rule, which repaints only what changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from gpuq_tui.keys import NamedKeys
from gpuq_tui.lines.line import Line, Look, Tone, fit, plain

_BASE = {
    Tone.PLAIN: Style(),
    Tone.DIM: Style(dim=True),
    Tone.STRONG: Style(bold=True),
    Tone.MATCH: Style(reverse=True, bold=True),
}
_CURVES = (Tone.CURVE_1, Tone.CURVE_2, Tone.CURVE_3, Tone.CURVE_4, Tone.CURVE_5, Tone.CURVE_6)


def _curves(*colours: str) -> dict[Tone, Style]:
    return {tone: Style(color=colour) for tone, colour in zip(_CURVES, colours, strict=True)}


_ANSI_CURVES = _curves("bright_blue", "yellow", "green", "magenta", "cyan", "red")
STYLES = {
    "ansi": {
        **_BASE,
        **_ANSI_CURVES,
        Tone.GOOD: Style(color="green"),
        Tone.BAD: Style(color="red", bold=True),
        Tone.WARN: Style(color="yellow"),
    },
    "blind": {  # curves after Okabe and Ito, as near as the terminal's own colours come
        **_BASE,
        **_curves("bright_blue", "yellow", "cyan", "magenta", "white", "blue"),
        Tone.GOOD: Style(color="blue"),
        Tone.BAD: Style(color="magenta", bold=True),
        Tone.WARN: Style(color="yellow"),
    },
    "mono": {
        **_BASE,
        **{tone: Style() for tone in _CURVES},
        Tone.GOOD: Style(),
        Tone.BAD: Style(bold=True),
        Tone.WARN: Style(underline=True),
    },
    "dark": {
        **_BASE,
        **_curves("#56b4e9", "#e69f00", "#4bc08f", "#cc79a7", "#f0e442", "#ff7b52"),
        Tone.DIM: Style(color="#8a93a3"),
        Tone.GOOD: Style(color="#7fc98a"),
        Tone.BAD: Style(color="#ff7b72", bold=True),
        Tone.WARN: Style(color="#e6b450"),
    },
    "light": {
        **_BASE,
        **_curves("#005a9c", "#a05a00", "#00704f", "#9b3f78", "#6b6400", "#b33000"),
        Tone.DIM: Style(color="#667080"),
        Tone.GOOD: Style(color="#1a7f37"),
        Tone.BAD: Style(color="#b3261e", bold=True),
        Tone.WARN: Style(color="#8a5a00"),
    },
}
"""What a tone looks like, by palette. The first three use the terminal's own colours: few bytes, any background."""
_CURSOR = Style(reverse=True)


class TextSought(Message):
    """The user wants to type what is searched for in a pane: `search` goes to it, and says whether it is there."""

    def __init__(self, search: Callable[[str], bool]) -> None:
        super().__init__()
        self.search = search


class Pane(NamedKeys, Widget):
    """Shows lines, the first of them at `top`. Textual's own log and table repaint wholly for one change.

    What is on the screen is kept in `_painted`; only the part of a row that differs is drawn again, which is
    what makes a refresh small enough for a slow line.
    """

    DEFAULT_CSS = """
    Pane { height: 1fr; width: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "move(1)", "down"),
        Binding("k,up", "move(-1)", "up"),
        Binding("ctrl+d", "page(0.5)", "half a page down"),
        Binding("ctrl+u", "page(-0.5)", "half a page up"),
        Binding("pagedown", "page(1)", "page down"),
        Binding("pageup", "page(-1)", "page up"),
        Binding("g,home", "first", "first"),
        Binding("G,end", "last", "last"),
    ]

    def __init__(self, *, look: Look, title: str | None = None, id: str | None = None) -> None:
        super().__init__(id=id)
        self.look = look
        self.can_focus = title is not None
        self._title = title
        self._lines: Sequence[Line] = ()
        self._top = 0
        self._painted: list[Strip] = []

    @property
    def title(self) -> str:
        """Return what stands in the rule."""
        return self._title or ""

    @property
    def body_height(self) -> int:
        """Return how many rows there are for lines."""
        return max(0, self.size.height - (self._title is not None) - (self.heading() is not None))

    @property
    def lines(self) -> Sequence[Line]:
        """Return all lines, also those scrolled away."""
        return self._lines

    def show(self, lines: Sequence[Line], *, title: str | None = None) -> None:
        """Show other lines, and another title if there is one; the place in them stays."""
        self._lines = lines
        if title is not None:
            self._title = title
        self.repaint()

    def take_look(self, look: Look) -> None:
        """Draw everything anew in another look."""
        self.look = look
        self.repaint()

    def repaint(self) -> None:
        """Draw again what differs from the screen."""
        self._top = max(0, min(self._top, self.count() - self.body_height))
        painted = [self._strip(y) for y in range(self.size.height)]
        if len(painted) != len(self._painted):
            self.refresh()
        else:
            for y, (old, new) in enumerate(zip(self._painted, painted, strict=True)):
                if old is not new and (span := changed_span(old, new)) is not None:
                    self.refresh(Region(span[0], y, span[1] - span[0], 1))
        self._painted = painted

    def render_line(self, y: int) -> Strip:
        """Return row `y` of the widget as it was last painted."""
        return self._painted[y] if y < len(self._painted) else Strip.blank(self.size.width)

    def count(self) -> int:
        """Return how many lines there are."""
        return len(self._lines)

    def line_at(self, index: int) -> Line:
        """Return line `index`, which is on the screen."""
        return self._lines[index]

    def line_beyond(self, index: int) -> Line:
        """Return what to show in row `index` below the last line."""
        return ()

    def heading(self) -> Line | None:
        """Return the line that stays above the others, if there is one."""
        return None

    def is_cursor(self, index: int) -> bool:
        """Whether line `index` is the selected one."""
        return False

    def place(self) -> str:
        """Return where in the lines the pane is, for the rule's right end; empty if all are visible."""
        if self.count() <= self.body_height:
            return ""
        return f" {self._top + 1}-{min(self.count(), self._top + self.body_height)}/{self.count()} "

    def action_move(self, by: int) -> None:
        """Scroll by lines."""
        self._top += by
        self.repaint()

    def action_page(self, pages: float) -> None:
        """Scroll by pages."""
        self.action_move(int(pages * max(1, self.body_height)))

    def action_first(self) -> None:
        """Go to the first line."""
        self.action_move(-self.count())

    def action_last(self) -> None:
        """Go to the last line."""
        self.action_move(self.count())

    def on_resize(self) -> None:
        """Fit the lines to the new size."""
        self.repaint()

    def on_focus(self) -> None:
        """Show in the rule that the keys come here."""
        self.repaint()

    def on_blur(self) -> None:
        """Show in the rule that the keys go elsewhere."""
        self.repaint()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Scroll with the wheel."""
        event.stop()
        self.action_move(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Scroll with the wheel."""
        event.stop()
        self.action_move(-3)

    def _strip(self, y: int) -> Strip:
        if self._title is not None:
            if y == 0:
                return self._rule()
            y -= 1
        width, heading = self.size.width, self.heading()
        if heading is not None:
            if y == 0:
                return strip_of(heading, width, self.look)
            y -= 1
        index = self._top + y
        if index >= self.count():
            return strip_of(self.line_beyond(index), width, self.look)
        return strip_of(self.line_at(index), width, self.look, is_cursor=self.is_cursor(index))

    def _rule(self) -> Strip:
        sign = self.look.focused_rule if self.has_focus else self.look.rule
        width, place = self.size.width, self.place()
        title = f" {self._title} "
        room = max(0, width - 2 - len(place) - 2)
        if cell_len(title) > room:
            title = fit(title, room, self.look)
        fill = sign * max(0, width - 2 - cell_len(title) - len(place) - 2)
        tone = Tone.STRONG if self.has_focus else Tone.PLAIN
        rule = (
            (sign * 2, Tone.DIM),
            (title, tone),
            (fill, Tone.DIM),
            (place, Tone.PLAIN),
            (sign * 2, Tone.DIM),
        )
        return strip_of(rule, width, self.look)


def strip_of(line: Line, width: int, look: Look, *, is_cursor: bool = False) -> Strip:
    """Return a line as a strip of exactly `width` cells."""
    styles = STYLES[look.palette]
    segments = [Segment(text, styles[tone] + _CURSOR if is_cursor else styles[tone]) for text, tone in line]
    return Strip(segments).adjust_cell_length(width, _CURSOR if is_cursor else Style())


def changed_span(old: Strip, new: Strip) -> tuple[int, int] | None:
    """Return the first and the end cell of what differs in strips of one width; None if nothing does."""
    if old == new:
        return None
    before, after = _cells(old), _cells(new)
    if len(before) != len(after):  # letters of other widths: which cell is which is not worth finding out
        return 0, new.cell_length
    differ = [i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
    is_wide = len(after) != new.cell_length
    return (0, new.cell_length) if is_wide or not differ else (differ[0], differ[-1] + 1)


def _cells(strip: Strip) -> list[tuple[str, Style | None]]:
    return [(letter, segment.style) for segment in strip for letter in segment.text]


def text_of(pane: Pane) -> str:
    """Return all lines of a pane as text, for copying and for tests."""
    return "\n".join(plain(pane.line_at(i)).rstrip() for i in range(pane.count()))
