"""Remembers what checkpoints say of how far their training was, for as long as their files are the same."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from gpuq_daemon.checkpoint.counters import Counters
from gpuq_daemon.files.found import Found

_MOST = 20_000


class Counted:
    """May be asked in any thread. What was not asked for longest is forgotten first."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._known: OrderedDict[tuple[Found, ...], Counters] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, files: tuple[Found, ...], read: Callable[[], Counters]) -> Counters:
        """Return what is remembered of these files, else what `read` returns."""
        with self._lock:
            found = self._known.get(files)
            if found is not None:
                self._known.move_to_end(files)
                return found
        found = read()
        with self._lock:
            self._known[files] = found
            if len(self._known) > self._most:
                self._known.popitem(last=False)
        return found
