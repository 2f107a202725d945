"""A line of toned text, and how text gets to a width in terminal cells."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from rich.cells import cell_len, set_cell_size


class Tone(StrEnum):
    """What a piece of text means. A colour may stand for it, so the words must say it too."""

    PLAIN = ""
    DIM = "dim"
    STRONG = "strong"
    GOOD = "good"
    BAD = "bad"
    WARN = "warn"
    MATCH = "match"
    CURVE_1 = "curve 1"
    CURVE_2 = "curve 2"
    CURVE_3 = "curve 3"
    CURVE_4 = "curve 4"
    CURVE_5 = "curve 5"
    CURVE_6 = "curve 6"


PALETTES = ("ansi", "blind", "mono", "dark", "light")
"""The terminal's green, yellow and red; blue, yellow and magenta for those who do not tell green from red; none; and
true colours for dark and for light backgrounds."""

Span = tuple[str, Tone]
Line = tuple[Span, ...]  # text of one row, left to right; shorter than the row is fine


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How the terminal shows things. `is_ascii` also replaces every other character of foreign text.

    `palette` is one of `PALETTES`: which colours stand for good and bad; the words say it without them.
    """

    is_ascii: bool = False
    palette: str = "ansi"

    @property
    def has_colour(self) -> bool:
        """Whether colours may tell one curve from another."""
        return self.palette != "mono"

    @property
    def cut(self) -> str:
        """Stands for text that was cut off; one cell."""
        return "~" if self.is_ascii else "…"

    @property
    def rule(self) -> str:
        """Draws the rule above a pane; one cell."""
        return "-" if self.is_ascii else "─"

    @property
    def focused_rule(self) -> str:
        """Draws the rule above the pane that has the keys; one cell."""
        return "=" if self.is_ascii else "━"


def line(text: str, tone: Tone = Tone.PLAIN) -> Line:
    """Return a line of one tone."""
    return ((text, tone),)


def plain(of: Line) -> str:
    """Return the text of a line without its tones."""
    return "".join(text for text, _ in of)


@lru_cache(maxsize=8192)
def fit(text: str, width: int, look: Look, *, right: bool = False) -> str:
    """Return `text` in exactly `width` cells: padded (on the left if `right`), or cut with a sign that says so."""
    if width <= 0:
        return ""
    head = text[: 4 * width + 4]
    cells = cell_len(head)
    if cells > width or len(head) < len(text):
        return set_cell_size(set_cell_size(head, width - 1) + look.cut, width)
    return " " * (width - cells) + head if right else head + " " * (width - cells)


def wrap(text: str, width: int, *, most: int = 50) -> list[str]:
    """Return `text` in lines of at most `width` cells, at most `most` of them, broken at spaces where there are any."""
    width = max(width, 2)
    rest, lines = text[: width * most], list[str]()
    while rest and len(lines) < most:
        head = _head(rest, width)
        if len(head) < len(rest):
            space = head.rfind(" ")
            head = rest[: space + 1] if space > 0 and rest[len(head)] != " " else head
        lines.append(head.rstrip())
        rest = rest[len(head) :].lstrip(" ")
    return lines or [""]


def _head(text: str, width: int) -> str:
    head = text[:width]
    while cell_len(head) > width:
        head = head[:-1]
    return head
