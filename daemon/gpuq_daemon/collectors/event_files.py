"""Follows the event files of one attempt while the training writes them."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from gpuq.summaries import SeriesKind
from gpuq_daemon.eventfile.events import Points
from gpuq_daemon.eventfile.reader import EventReader
from gpuq_daemon.eventfile.tfrecord import RecordReader
from gpuq_daemon.files.found import Files, Found
from gpuq_daemon.series.notes import Note, Picture
from gpuq_daemon.series.points import Batch, FilePosition, HistogramPoint, ScalarPoints, SeriesKey

READ_BYTES = 1024 * 1024
DEFAULT_BUDGET_BYTES = 4 * 2**20

_RANK_FOLDER = re.compile(r"rank-([0-9]{1,5})")


@dataclass(slots=True, kw_only=True)
class _Followed:
    """One event file: how it looked last, where its reader is, and what was read since the last batch."""

    found: Found
    path: str
    rank: int
    run: str
    events: EventReader
    points: Points = field(default_factory=Points)
    malformed: int = 0
    exhausted_as: tuple[int, int, int] | None = None

    @property
    def wants_reading(self) -> bool:
        """Whether there are bytes not consumed that were not looked at, or that may have been rewritten."""
        found = self.found
        return (found.size > self.events.records.offset or found.probe > 0) and self.exhausted_as != _look(found)

    @property
    def reader(self) -> RecordReader:
        """Where its records are read, one by one."""
        return self.events.records

    def feed(self, data: bytes) -> None:
        """Take the bytes at the reader's place."""
        self.events.feed(data, self.points)

    def position(self) -> FilePosition:
        """Return how far the file is read now."""
        return FilePosition(
            path=self.path,
            identity=self.found.identity,
            offset=self.reader.offset,
            skipped=self.reader.skipped + self.malformed + self.points.malformed,
            oversized=self.reader.oversized,
            is_held=self.reader.is_held,
        )

    def take_points(self) -> Points:
        """Return what was read since the last time."""
        points, self.points = self.points, Points()
        self.malformed += points.malformed
        return points


class EventFileFollower:
    """Reads what is new in `<root>/rank-<r>/**/events.out.tfevents.*`; blocking, for one thread at a time.

    A file is known by its identity (device and inode): one that looks shorter than before is read on from the
    same place, one that another has taken the place of is read from its start. All files stay live: a run may
    write to any of them at any time. An idle poll lists folders and opens nothing.
    """

    def __init__(self, job_id: int, attempt: int, files: Files, positions: Mapping[str, FilePosition]) -> None:
        """Follow the attempt's events folder from the stored `positions` on (by path)."""
        self._job_id = job_id
        self._attempt = attempt
        self._files = files
        self._stored = dict(positions)
        self._followed: dict[tuple[str, ...], _Followed] = {}
        self._turn = 0

    def poll(self, budget_bytes: int = DEFAULT_BUDGET_BYTES) -> Batch:
        """Return the points that are new and the file positions after them; empty if nothing has changed.

        Reads about `budget_bytes` and leaves the rest to the next poll, every file in its turn; a record that
        was begun is read to its end. The follower goes on from here whether or not the batch is stored: if it
        cannot be stored, make a new follower.
        """
        waiting = [file for file in self._refresh() if file.wants_reading]
        if not waiting:
            return Batch(job_id=self._job_id, attempt=self._attempt)
        self._turn += 1
        turn = self._turn % len(waiting) if waiting else 0
        queue = deque(waiting[turn:] + waiting[:turn])
        has_moved = False
        # An empty batch must mean that there is nothing more, not that a long tail has used up the budget.
        while queue and (budget_bytes > 0 or not has_moved):
            file = queue.popleft()
            start = file.reader.offset
            budget_bytes -= self._read(file)
            has_moved = has_moved or file.reader.offset != start
            if file.wants_reading:
                queue.append(file)
        for file in waiting:
            # A tail is read afresh next time: its bytes may not have been final, and it would take memory.
            file.reader.rewind()
        return self._batch(waiting)

    def _refresh(self) -> list[_Followed]:
        """Return the files that are there now, by path."""
        there: dict[tuple[str, ...], _Followed] = {}
        for found in self._files.find():
            file = self._followed.get(found.parts)
            if file is None or file.found.identity != found.identity:
                rank = _RANK_FOLDER.fullmatch(found.parts[0])
                if rank is None or len(found.parts) == 1:
                    continue
                file = self._begin(found, _text("/".join(found.parts)), int(rank[1]))
            file.found = found
            there[found.parts] = file
        self._followed = there
        return list(there.values())

    def _begin(self, found: Found, path: str, rank: int) -> _Followed:
        """Follow a file from where it was stored to be, or from its start."""
        stored = self._stored.get(path)
        reader = RecordReader()
        if stored is not None and stored.identity == found.identity:
            reader = RecordReader(stored.offset, stored.skipped, stored.oversized)
            reader.is_held = stored.is_held
        run = _text("/".join(found.parts[1:-1])) or "."
        return _Followed(found=found, path=path, rank=rank, run=run, events=EventReader(reader))

    def _read(self, file: _Followed) -> int:
        """Read some of a file, at least a whole record if there is one; return how many bytes were read."""
        read, start = 0, file.reader.offset
        with self._files.open(file.found) as opened:
            while file.reader.offset == start:
                data = b"" if opened is None else opened.read(file.reader.next_offset, READ_BYTES)
                read += len(data)
                file.feed(data)
                is_stuck = file.reader.is_held and file.reader.next_offset == file.reader.offset
                if len(data) < READ_BYTES or is_stuck:
                    file.exhausted_as = _look(file.found)
                    break
        return read

    def _batch(self, files: list[_Followed]) -> Batch:
        """Return what was read of `files` and make their positions the ones that are stored."""
        scalars: dict[SeriesKey, ScalarPoints] = {}
        histograms: dict[SeriesKey, list[HistogramPoint]] = {}
        notes: dict[tuple[int, str], list[Note]] = {}
        before: dict[str, FilePosition] = {}
        positions: list[FilePosition] = []
        for file in files:
            position = file.position()
            stored = self._stored.get(file.path)
            if position == (stored or FilePosition(path=file.path, identity=file.found.identity, offset=0)):
                continue
            points = file.take_points()
            for tag, values in points.scalars.items():
                key = SeriesKey(rank=file.rank, run=file.run, tag=tag, kind=SeriesKind.SCALAR)
                scalars.setdefault(key, ScalarPoints()).extend(values)
            for tag, distributions in points.histograms.items():
                key = SeriesKey(rank=file.rank, run=file.run, tag=tag, kind=SeriesKind.HISTOGRAM)
                histograms.setdefault(key, []).extend(distributions)
            if points.notes:
                notes.setdefault((file.rank, file.run), []).extend(_placed(points.notes, file))
            if stored is not None:
                before[file.path] = stored
            self._stored[file.path] = position
            positions.append(position)
        return Batch(
            job_id=self._job_id,
            attempt=self._attempt,
            scalars=scalars,
            histograms=histograms,
            notes=notes,
            before=before,
            positions=tuple(positions),
        )


def _placed(notes: list[Note], file: _Followed) -> Iterator[Note]:
    """Yield notes of a file, of pictures with the file that they lie in."""
    for note in notes:
        if isinstance(note.content, Picture):
            picture = replace(note.content, path=file.path, identity=file.found.identity)
            yield replace(note, content=picture)
        else:
            yield note


def _look(found: Found) -> tuple[int, int, int]:
    return found.size, found.changed_at_ns, found.probe


def _text(path: str) -> str:
    """Return a path as text that every database and terminal can take; bytes that are no UTF-8 get escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
