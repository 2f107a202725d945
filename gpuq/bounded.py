"""Regular expressions of people, which may take for ever (`(a+)+$`): all searches of one share a second of CPU time.

Python's matcher looks for signals while it works, so a timer ends it. Source: CPython, Modules/_sre, `sigcount`.
"""

from __future__ import annotations

import signal
import time

from gpuq.errors import UsageError
from gpuq.text import clean, fit

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from types import FrameType

LONGEST_S = 1.0
_REPEATING = "*+{"


class _TooLongError(Exception):
    """The timer has run out."""


class BoundedPattern:
    """A compiled pattern that gives up. In another thread than the main one nothing can end it."""

    def __init__(self, pattern: re.Pattern[str], *, longest_s: float = LONGEST_S) -> None:
        self._pattern = pattern
        self._left_s = longest_s
        # Where nothing is repeated a search is quick whatever the text: no need for a timer, which costs microseconds.
        self._may_hang = any(letter in pattern.pattern for letter in _REPEATING)

    def found_in(self, text: str) -> bool:
        """Return whether the pattern is found in `text`.

        Raises:
            UsageError: it takes too long, or has before.
        """
        if not self._may_hang:
            return self._pattern.search(text) is not None
        began = time.process_time()
        try:
            return self._left_s > 0 and self._searched(text)
        except _TooLongError:
            self._left_s = 0.0
        finally:
            self._left_s -= time.process_time() - began
            if self._left_s <= 0:
                raise UsageError(f"/{fit(clean(self._pattern.pattern), 60)}/ takes too long: use a simpler pattern.")
        return False

    def _searched(self, text: str) -> bool:
        try:
            before = signal.signal(signal.SIGVTALRM, _stop)
        except ValueError:  # not the main thread
            return self._pattern.search(text) is not None
        try:
            signal.setitimer(signal.ITIMER_VIRTUAL, self._left_s)
            return self._pattern.search(text) is not None
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.signal(signal.SIGVTALRM, before)


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise _TooLongError
