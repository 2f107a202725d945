"""Says on stderr that something goes on, once it takes longer than a second: in place, or as a line at times.

It is a thread beside the work, which may hang in one question. Standard output is left alone. Of one within another
nothing is said: the outer one tells what the user has asked for.
"""

from __future__ import annotations

import sys
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

FIRST_S, EVERY_S, LINE_EVERY_S = 1.0, 0.5, 15.0
_BAR = 20
_is_told = False  # whether something says already that it goes on


class Progress:
    """A context: within it, `what` goes on, and `done` (bytes so far, say) may be set from time to time.

    So may `part`, how much of the whole that is, from 0 to 1: a terminal shows it as a bar.
    """

    def __init__(self, what: str, *, out: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.done = ""
        self.part: float | None = None
        self._what = what
        self._out = sys.stderr if out is None else out
        self._clock = clock
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._told_at: float | None = None
        self._is_outer = False
        self._began = 0.0

    def __enter__(self) -> Progress:
        global _is_told
        self._began = self._clock()
        self._is_outer, _is_told = not _is_told, True
        if self._is_outer:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        global _is_told
        self._over.set()
        if self._is_outer:
            _is_told = False
            self._thread.join()
            self.hide()

    def hide(self) -> None:
        """Make room on a terminal for something else that is said; it is told again when its time comes."""
        if self._told_at is not None and self._out.isatty():
            self._write("\r\x1b[K")

    def tell(self) -> None:
        """Say how it stands, where it is time to."""
        now = self._clock()
        since = now - (self._began if self._told_at is None else self._told_at)
        is_screen = self._out.isatty()
        if since < (FIRST_S if self._told_at is None and is_screen else EVERY_S if is_screen else LINE_EVERY_S):
            return
        self._told_at = now
        parts = [self._what, *([self.done] if self.done else []), f"{now - self._began:.0f} s"]
        text = ", ".join(parts)
        bar = "" if self.part is None else f" [{'#' * round(_BAR * self.part):.<{_BAR}}] {self.part:.0%}"
        self._write(f"\r{text} ...{bar}\x1b[K" if is_screen else f"gpuq: {text} ...\n")

    def _run(self) -> None:
        while not self._over.wait(EVERY_S):
            self.tell()

    def _write(self, text: str) -> None:
        try:
            self._out.write(text)
            self._out.flush()
        except (OSError, ValueError):  # nobody reads it, or it is closed: the work goes on
            self._over.set()
