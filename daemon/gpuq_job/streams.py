"""Which stretches of a rank's log came from its standard output, and which from its standard error.

Both go to one file, as they were written, by two openings of it that append: the kernel keeps their order, and where
each of the two ended its last write is where that opening stands. So looking at both places tells whose the bytes are
that came since the last look, unless both have written meanwhile: then they may be of either. The file of stretches
has eight bytes for each: where in the log it ends, and in the two lowest bits whose it is. What it does not reach yet
may be of either.

Source: Linux, generic_write_checks: with O_APPEND an opening's place moves to the end before each write.
"""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

EITHER, STDOUT, STDERR = 0, 1, 2
_RECORD = struct.Struct("<Q")
_LOOK_S = 0.25


class Streams:
    """Looks at two openings of a log before and after what Python writes, and four times a second.

    Whatever goes wrong ends the looking, never the training.
    """

    def __init__(self, path: Path, out: int, err: int) -> None:
        """`out` and `err` are the log's descriptors; `path` is the file of stretches, to be added to."""
        self._out, self._err = out, err
        self._out_at, self._err_at = _place(out), _place(err)
        self._kind, self._end = EITHER, os.fstat(out).st_size
        self._told = 0
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._is_looking = False
        self._is_over = threading.Event()
        try:
            self._file: int | None = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError:
            self._file = None
        threading.Thread(target=self._look_again, name="gpuq-streams", daemon=True).start()

    @contextmanager
    def alone(self) -> Generator[None]:
        """Know what is written meanwhile from what was written before and will be after."""
        if os.getpid() != self._pid:  # a child: its parent sees what it writes
            yield
            return
        with self._lock:
            if self._is_looking:  # a signal's handler writes in the midst of it
                yield
                return
            self._is_looking = True
            try:
                self._look()
                yield
                self._look()
            finally:
                self._is_looking = False

    def tell(self) -> None:
        """Tell all that is written by now."""
        with self.alone():
            pass
        with self._lock:
            self._tell()

    def close(self) -> None:
        """Tell what was seen, and look no more."""
        self._is_over.set()
        self.tell()
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def _look_again(self) -> None:
        while not self._is_over.wait(_LOOK_S):
            self.tell()

    def _look(self) -> None:
        out, err = _place(self._out), _place(self._err)
        has_out, has_err = out != self._out_at, err != self._err_at
        self._out_at, self._err_at = out, err
        if has_out and has_err:
            self._add(EITHER, min(out, err))
        if has_out or has_err:
            is_out = has_out and (not has_err or out > err)
            self._add(STDOUT if is_out else STDERR, out if is_out else err)

    def _add(self, kind: int, end: int) -> None:
        if end <= self._end:
            return
        if kind != self._kind:
            self._tell()
        self._kind, self._end = kind, end

    def _tell(self) -> None:
        if self._file is None or self._end <= self._told:
            return
        record = _RECORD.pack(self._end << 2 | self._kind)
        try:
            is_whole = os.write(self._file, record) == len(record)
        except OSError:
            is_whole = False
        self._told = self._end
        if not is_whole:  # no room: a part of a record would put all after it in the wrong place
            os.close(self._file)
            self._file = None


def _place(descriptor: int) -> int:
    return os.lseek(descriptor, 0, os.SEEK_CUR)
