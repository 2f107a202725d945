"""Files of a kind below a folder of an HDFS, those that are still written among them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from gpuq_daemon.files.copied import copied
from gpuq_daemon.files.found import MAX_DEPTH, MAX_ENTRIES, Found, is_event_file
from gpuq_daemon.files.webhdfs import Entry, WebHdfs

LIST_EVERY_S = 2.0
_LIVE_S = 120.0
_IDLE_EVERY = 8


class HdfsFile:
    """A file of an HDFS; `grew` is told how far it was read."""

    def __init__(self, hdfs: WebHdfs, path: str, size: int, grew: Callable[[int], None]) -> None:
        self._hdfs = hdfs
        self._path = path
        self._grew = grew
        self._copy: int | None = None
        self.size = size

    @property
    def descriptor(self) -> int:
        """A copy of it on this machine, made now, gone when it is closed.

        Raises:
            OneFileError: it is too large for that.
        """
        if self._copy is None:
            self._copy = copied(self.read, self.size, f"{self._hdfs.name}: {self._path}")
        return self._copy

    def read(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset`; fewer at the end of what is written, none there."""
        try:
            data = self._hdfs.read(self._path, offset, size)
        except FileNotFoundError:
            return b""
        if data:
            self._grew(offset + len(data))
        return data

    def close(self) -> None:
        """Give the copy back."""
        if self._copy is not None:
            os.close(self._copy)


class HdfsFiles:
    """The files below one folder of an HDFS whose names `is_wanted`; for one thread at a time.

    Lists again every two seconds. In between, and whatever the lists say, each file that grew within two minutes is
    worth a look at every `find`, any other at every eighth.
    """

    def __init__(
        self,
        hdfs: WebHdfs,
        root: str,
        is_wanted: Callable[[str], bool] = is_event_file,
        *,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hdfs = hdfs
        self._root = root.rstrip("/")
        self._is_wanted = is_wanted
        self._ticks = ticks
        self._listed_at: float | None = None
        self._entries: list[tuple[tuple[str, ...], Entry]] = []
        self._read_to: dict[int, int] = {}
        self._grew_at: dict[int, float] = {}
        self._looks = 0
        self._trouble: str | None = None

    def find(self) -> list[Found]:
        """Return the files by path.

        Raises:
            FilesError: the HDFS does not answer.
        """
        now = self._ticks()
        self._looks += 1
        if self._listed_at is None or now - self._listed_at >= LIST_EVERY_S:
            self._list(now)
        return [self._found(parts, entry, now) for parts, entry in self._entries]

    @property
    def trouble(self) -> str | None:
        """What hinders writers now; known since the last list."""
        return self._trouble

    def look_again(self) -> None:
        """Let the next `find` list anew and think every file worth a look."""
        self._listed_at = None
        self._grew_at = dict.fromkeys(self._grew_at, self._ticks())

    @contextmanager
    def open(self, file: Found) -> Generator[HdfsFile | None]:
        """Give a found file opened."""
        number = int(file.identity)
        opened = HdfsFile(
            self._hdfs, "/".join((self._root, *file.parts)), file.size, lambda end: self._has_grown(number, end)
        )
        try:
            yield opened
        finally:
            opened.close()

    def _list(self, now: float) -> None:
        entries: list[tuple[tuple[str, ...], Entry]] = []
        self._walk((), entries, MAX_ENTRIES)
        known = {entry.file_id: entry.length for _, entry in self._entries}
        for _, entry in entries:
            if known.get(entry.file_id) != entry.length:
                self._grew_at[entry.file_id] = now
        self._entries = sorted(entries, key=lambda each: each[0])
        self._trouble = self._hdfs.trouble
        self._listed_at = now

    def _walk(self, parts: tuple[str, ...], entries: list[tuple[tuple[str, ...], Entry]], budget: int) -> int:
        try:
            there = self._hdfs.list("/".join((self._root, *parts)) or "/")
        except FileNotFoundError:
            return budget
        for entry in there[: max(0, budget)]:
            budget -= 1
            if entry.is_folder:
                if len(parts) < MAX_DEPTH:
                    budget = self._walk((*parts, entry.name), entries, budget)
            elif self._is_wanted(entry.name):
                entries.append(((*parts, entry.name), entry))
        return budget

    def _found(self, parts: tuple[str, ...], entry: Entry, now: float) -> Found:
        is_live = now - self._grew_at.get(entry.file_id, 0.0) < _LIVE_S
        return Found(
            parts=parts,
            identity=str(entry.file_id),
            size=max(entry.length, self._read_to.get(entry.file_id, 0)),
            changed_at_ns=entry.changed_at_ms * 1_000_000,
            probe=self._looks if is_live else 1 + self._looks // _IDLE_EVERY,
        )

    def _has_grown(self, number: int, end: int) -> None:
        if end > self._read_to.get(number, 0):
            self._read_to[number] = end
            self._grew_at[number] = self._ticks()
