"""The logs of some ranks of an attempt: one, or several merged with tags."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from gpuq_tui.lines.line import Line, Tone, line
from gpuq_tui.lines.log import MOST_LINES, TAB, LogPiece, LogTail

MOST_MERGED = 16  # ranks
EARLIER_BYTES = 64 * 1024
_ABOVE, _BELOW = 32 * 1024, 4 * 1024
"""How much is read above and below of what was found in the midst of a log."""
_STAMP = re.compile(r"\D{0,4}(\d{2,4}[-/]\d\d[-/]\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d+)?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogsWanted:
    """Logs of an attempt (None: the newest): of ranks (None: the driver), each from an offset on (None: its tail).

    `before`: of the only rank, what stands before that byte, too. `stream`: only what came from that one.
    `until`: nothing from that byte on.
    """

    ranks: tuple[int | None, ...]
    offsets: tuple[int | None, ...]
    attempt: int | None = None
    before: int | None = None
    stream: str | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs:
    """What is read so far. Of several ranks `merged` has the lines as they came, each with its rank's place, the first
    of them after `merged_gone` that are not kept any more.

    With a `start` it is a part in the midst of the only log, at first up to `stop`: no more is read than is asked for.
    """

    ranks: tuple[int | None, ...] = (None,)
    attempt: int | None = None
    tails: tuple[LogTail, ...] = (LogTail(),)
    merged: tuple[tuple[int, str], ...] = ()
    merged_gone: int = 0
    is_earlier_wanted: bool = False
    stream: str | None = None
    start: int | None = None
    stop: int | None = None
    is_later_wanted: bool = False

    @classmethod
    def of(cls, ranks: Sequence[int | None], attempt: int | None, stream: str | None = None) -> Logs:
        """Return logs of which nothing is read yet."""
        return cls(ranks=tuple(ranks), attempt=attempt, tails=tuple(LogTail() for _ in ranks), stream=stream)

    def around(self, at: int) -> Logs:
        """Return the part of the only log around a byte of it, of which nothing is read yet."""
        anew = Logs.of(self.ranks, self.attempt, self.stream)
        return replace(anew, start=max(0, at - _ABOVE), stop=at + _BELOW)

    @property
    def is_part(self) -> bool:
        """Whether it is a part in the midst of a log."""
        return self.start is not None

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing is to be read now."""
        return self.is_part and self.is_begun and not self.is_later_wanted and not self.is_earlier_wanted

    @property
    def wanted(self) -> LogsWanted:
        """Return what to read next."""
        before = self.tails[0].begin if self.is_earlier_wanted and len(self.ranks) == 1 else None
        offsets = tuple(self.start if tail.next_offset is None else tail.next_offset for tail in self.tails)
        return LogsWanted(
            ranks=self.ranks,
            offsets=offsets,
            attempt=self.attempt,
            before=before or None,
            stream=self.stream,
            until=None if self.is_begun else self.stop,
        )

    @property
    def has_more_above(self) -> bool:
        """Whether more stands before what is read, and can be had."""
        return len(self.ranks) == 1 and bool(self.tails[0].begin)

    @property
    def unseen_to(self) -> int | None:
        """Return before which byte of the only log something may stand that is not here; None if there is none."""
        if len(self.ranks) != 1 or not self.is_begun:
            return None
        tail = self.tails[0]
        return (tail.next_offset if tail.begin is None else tail.begin) or None

    @property
    def is_begun(self) -> bool:
        """Whether anything was answered."""
        return any(tail.next_offset is not None for tail in self.tails)

    @property
    def is_mixed(self) -> bool:
        """Whether one stream is asked for of logs that do not tell them apart."""
        return any(tail.is_told_apart is False for tail in self.tails)

    @property
    def is_final(self) -> bool:
        """Whether nothing will be added."""
        return all(tail.is_final for tail in self.tails)

    def with_pieces(self, pieces: Sequence[LogPiece | None], earlier: LogPiece | None = None) -> Logs:
        """Return the logs with a piece of each rank added, None where there is none."""
        tails = tuple(
            tail if piece is None else tail.with_piece(piece) for tail, piece in zip(self.tails, pieces, strict=True)
        )
        if earlier is not None and len(tails) == 1:
            tails = (tails[0].with_earlier(earlier),)
        logs = replace(self, tails=tails, is_earlier_wanted=False, is_later_wanted=False)
        if len(tails) == 1:
            return logs
        added = [
            list(_stamped(i, _added(old, new))) for i, (old, new) in enumerate(zip(self.tails, tails, strict=True))
        ]
        fresh = tuple((i, text) for _, i, text in heapq.merge(*added, key=lambda one: one[0]))
        merged = (*self.merged, *fresh)
        gone = max(0, len(merged) - MOST_LINES)
        return replace(logs, merged=merged[gone:], merged_gone=self.merged_gone + gone)

    def above(self, old: Logs) -> int:
        """Return how many lines stand above those that `old` began with; below zero: so many of those are gone."""
        if (old.ranks, old.attempt, old.stream, old.start) != (self.ranks, self.attempt, self.stream, self.start):
            return 0
        before, after = old.tails[0], self.tails[0]
        if len(self.ranks) > 1:
            return old.merged_gone - self.merged_gone
        return 0 if before.next_offset is None or after.next_offset is None else before.first - after.first

    def view(self) -> list[Line]:
        """Return what to show, oldest first."""
        if len(self.tails) == 1:
            return self.tails[0].view()
        names = [f"{'d' if rank is None else rank}" for rank in self.ranks]
        width = max(map(len, names))
        rows = [*self.merged, *((i, tail.partial) for i, tail in enumerate(self.tails) if tail.partial)]
        return [((f"{names[i]:>{width}}| ", Tone.DIM), *line(text.expandtabs(TAB))) for i, text in rows]


def _added(old: LogTail, new: LogTail) -> Sequence[str]:
    """Return the complete lines that are new; all where the log was begun anew."""
    if old.next_offset is None or new.next_offset is None:
        return new.lines
    return new.lines[max(0, old.first + len(old.lines) - new.first) :]


def _stamped(place: int, lines: Sequence[str]) -> Iterator[tuple[str, int, str]]:
    """Yield lines with the time that they begin with, or else that of the line before, which sorts them."""
    stamp = ""
    for text in lines:
        found = _STAMP.match(text)
        if found is not None:
            stamp = max(stamp, found[1].replace("/", "-").replace("T", " ")[-19 if len(found[1]) > 20 else 0 :])
        yield stamp, place, text
