"""The last lines of a log that grows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.cells import chop_cells

from gpuq_tui.lines.line import Line, Tone, line

MOST_LINES = 20_000
_MOST_LETTERS = 4000  # of one line; a line without an end must not grow without bound
TAB = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPiece:
    """Bytes `offset` to `next_offset` of a log of `size` bytes, as text; more comes unless `is_final`.

    `is_told_apart`: whether the log tells its streams apart, None where nobody asked.
    """

    data: str
    offset: int
    next_offset: int
    size: int
    is_final: bool
    is_told_apart: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTail:
    """The newest complete `lines`, the beginning of the next one, and where to read on (None: at the tail).

    `begin` is where they begin, 0 at the log's beginning, None where that is not known any more; `head` is the end of a
    line from there on, whose beginning was not read. `first` is the number of the first of `lines`, the one that was
    read first being 0.
    """

    lines: tuple[str, ...] = ()
    partial: str = ""
    next_offset: int | None = None
    is_final: bool = False
    begin: int | None = None
    head: str = ""
    first: int = 0
    is_told_apart: bool | None = None

    def with_earlier(self, piece: LogPiece) -> LogTail:
        """Return the tail with what stands right before it; with no more than `MOST_LINES`."""
        if piece.next_offset != self.begin:
            return self
        lines = (piece.data + self.head).split("\n")
        head = lines.pop(0) if piece.offset > 0 else ""
        whole = (*(text[:_MOST_LETTERS] for text in lines), *self.lines)
        if len(whole) > MOST_LINES:
            return replace(self, begin=None)
        return replace(self, lines=whole, begin=piece.offset, head=head, first=self.first - len(lines))

    def with_piece(self, piece: LogPiece) -> LogTail:
        """Return the tail with a piece added; a piece from elsewhere or of a log that shrank begins anew."""
        if self.next_offset is not None and piece.size < self.next_offset:
            return LogTail()
        if piece.offset != self.next_offset:
            anew = _begun(piece)
            return replace(anew, first=anew.first + self.first + len(self.lines))
        return _extended(self, piece)

    def with_text(self, text: str) -> LogTail:
        """Return the tail with `text` added, where it comes from a stream and not from a place in a file."""
        offset = self.next_offset or 0
        end = offset + len(text)
        return _extended(self, LogPiece(data=text, offset=offset, next_offset=end, size=end, is_final=False))

    def view(self) -> list[Line]:
        """Return what to show, oldest first; the line whose beginning was not read only where there is no other."""
        last = [line(_shown(self.partial))] if self.partial else []
        rows = [line(_shown(text)) for text in self.lines] + last
        return rows or ([line(_shown(self.head))] if self.head else [])


def matched(of: Line, sought: str) -> Line:
    """Return a line with every place of casefolded `sought` set off."""
    spans: list[tuple[str, Tone]] = []
    for text, tone in of:
        low = text.casefold()
        if len(low) != len(text):  # letters whose small form is longer: the places would not agree
            low = text
        at = 0
        while (found := low.find(sought, at)) >= 0:
            spans += [(text[at:found], tone), (text[found : found + len(sought)], Tone.MATCH)]
            at = found + len(sought)
        spans.append((text[at:], tone))
    return tuple(span for span in spans if span[0])


def folded(of: Line, width: int) -> Sequence[Line]:
    """Return a line in rows of at most `width` cells, broken anywhere: in a log every space may matter."""
    rows = [line(part, tone) for text, tone in of for part in chop_cells(text, max(2, width))]
    return rows or (of,)


def _begun(piece: LogPiece) -> LogTail:
    tail = _extended(LogTail(), piece)
    if piece.offset > 0 and not tail.lines:  # within one endless line
        return tail
    if piece.offset > 0:  # the first line was cut somewhere
        return replace(tail, lines=tail.lines[1:], head=tail.lines[0], begin=piece.offset)
    return replace(tail, begin=piece.offset)


def _extended(tail: LogTail, piece: LogPiece) -> LogTail:
    *complete, partial = (tail.partial + piece.data).split("\n")
    lines = (*tail.lines, *(text[:_MOST_LETTERS] for text in complete))
    gone = max(0, len(lines) - MOST_LINES)
    return LogTail(
        lines=lines[gone:],
        partial=partial[:_MOST_LETTERS],
        next_offset=piece.next_offset,
        is_final=piece.is_final,
        is_told_apart=piece.is_told_apart,
        begin=None if gone else tail.begin,
        head=tail.head,
        first=tail.first + gone,
    )


def _shown(text: str) -> str:
    return text.expandtabs(TAB)
