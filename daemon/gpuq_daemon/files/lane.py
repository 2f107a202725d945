"""A file system's own threads, so that one that is slow or dead holds up nobody but who waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import TypeVar

from gpuq_daemon.files.found import FilesError, OneFileError

T = TypeVar("T")

THREADS = 12
_MOST_WAITING = 1000
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 15.0


class Lane:
    """Runs work on one file system, a dozen pieces at a time.

    Once something went wrong everybody is told so at once, without trying, but for one piece of work every so often
    (after 1 s, then twice as long, up to 15 s) until one goes well.
    """

    def __init__(self, name: str, *, ticks: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._ticks = ticks
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=f"files {name}")
        self._lock = Lock()
        self._waiting = 0
        self._trouble: str | None = None
        self._pause_s = _FIRST_PAUSE_S
        self._again_at = 0.0

    @property
    def trouble(self) -> str | None:
        """What is wrong with it, in a sentence; None while all is well."""
        return self._trouble

    @property
    def is_worth_trying(self) -> bool:
        """Whether `submit` would try."""
        return self._trouble is None or self._ticks() >= self._again_at

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Have the work done.

        Raises:
            FilesError: the file system was in trouble a moment ago, or too much waits for it already.
        """
        with self._lock:
            if self._trouble is not None and self._ticks() < self._again_at:
                raise FilesError(self._trouble)
            if self._waiting >= _MOST_WAITING:
                raise FilesError(f"{self.name} is too slow: {self._waiting} requests wait for it.")
            is_trial = self._trouble is not None
            if is_trial:  # the others go on being refused meanwhile
                self._again_at = self._ticks() + self._pause_s
            self._waiting += 1
        return self._threads.submit(self._run, work, is_trial)

    def close(self) -> None:
        """Do nothing more, and wait for nobody."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _run(self, work: Callable[[], T], is_trial: bool) -> T:
        try:
            trouble = self._trouble
            if trouble is not None and not is_trial:  # it has waited in line meanwhile, and would hang as others did
                raise FilesError(trouble)
            return self._done(work)
        finally:
            with self._lock:
                self._waiting -= 1

    def _done(self, work: Callable[[], T]) -> T:
        try:
            done = work()
        except OneFileError:
            self._went_well()
            raise
        except FilesError as error:
            self._went_wrong(str(error))
            raise
        self._went_well()
        return done

    def _went_well(self) -> None:
        with self._lock:
            self._trouble, self._pause_s = None, _FIRST_PAUSE_S

    def _went_wrong(self, what: str) -> None:
        with self._lock:
            if self._trouble is not None:
                self._pause_s = min(_LONGEST_PAUSE_S, self._pause_s * 2)
            self._trouble = what
            self._again_at = self._ticks() + self._pause_s
