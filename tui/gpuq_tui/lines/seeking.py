"""Looking for text in all of a log, piece by piece from its end, however long it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

PIECE = 1024 * 1024
_PIECES_A_TURN = 24
_OVERLAP = 4096
"""What two pieces have in common, so that no text is cut in two."""

Read = Callable[[int, int], tuple[str, int, int]]
"""Gives the text of the last so many bytes before an offset, and where it begins and ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """Casefolded `text` that is looked for before byte `before` of the only log that is shown."""

    text: str
    before: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """How far a search has come: all from byte `down_to` on is looked through; `at` is about where the text is."""

    sought: Sought
    down_to: int
    at: int | None = None


def seek(sought: Sought, read: Read) -> Seen:
    """Look through some MiB more; return how far that came."""
    before = sought.before
    for _ in range(_PIECES_A_TURN):
        text, begin, _ = read(before, PIECE)
        found = text.casefold().rfind(sought.text)
        if found >= 0:
            at = begin + len(text[:found].encode(errors="replace"))
            return Seen(sought=sought, down_to=begin, at=min(at, before))
        if begin <= 0 or begin >= before:
            return Seen(sought=sought, down_to=0)
        before = begin + _OVERLAP if begin + _OVERLAP < before else begin
    return Seen(sought=sought, down_to=before)
