"""For scripts: whether this job is to stop soon, so that it can save a checkpoint first.

    try:
        from gpuq_job import stopping
    except ImportError:  # run without gpuq
        stopping = None
    ...
    for step in ...:
        train()
        if stopping:
            stopping.stop_if_requested(save)  # saves, and ends this rank, when it is time

It needs nothing but the standard library. The same is told by SIGUSR1, and by a file that then exists,
`$GPUQ_STOP_FILE`, which holds the reason.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

FILE = "GPUQ_STOP_FILE"


class Stopped(SystemExit):
    """Ends a rank that was asked to stop: no failure, and no completed training either."""

    def __init__(self, reason: str) -> None:
        super().__init__(0)
        self.reason = reason


class _Request:
    reason: str | None = None
    is_heeded = False
    callbacks: list[Callable[[str], object]] = []  # noqa: RUF012 - there is one request a process


_lock = threading.Lock()


def requested() -> str | None:
    """Return why the job is to stop: "time limit", "deadline", "cancelled", "preempted", "requeued"; None: go on."""
    if _Request.reason is None and FILE in os.environ:
        with contextlib.suppress(OSError):
            return Path(os.environ[FILE]).read_text() or None
    return _Request.reason


def on_request(callback: Callable[[str], object]) -> None:
    """Have `callback` called with the reason, once, in another thread; at once if it is known already."""
    with _lock:
        _Request.callbacks.append(callback)
        reason = _Request.reason
    if reason is not None:
        _call(callback, reason)


def stop_if_requested(save: Callable[[], object] | None = None) -> None:
    """Go on, or if the job is to stop call `save` and end this rank.

    Where workers step together all of them must stop after the same step: let them add up whether `requested()`
    has an answer, and call `stop` where the sum is not 0.

    Raises:
        Stopped: the job is to stop.
    """
    if requested() is not None:
        stop(save)


def stop(save: Callable[[], object] | None = None) -> None:
    """Call `save` and end this rank.

    Raises:
        Stopped: always.
    """
    if save is not None:
        save()
    reason = requested() or "a peer stops"
    _Request.is_heeded = True
    with contextlib.suppress(OSError, ValueError, AttributeError):  # whatever became of the standard output
        print(f"gpuq: stopped ({reason})", flush=True)
    raise Stopped(reason)


def heeded() -> str | None:
    """Return why this rank has stopped, None if it has not."""
    return (requested() or "a peer stops") if _Request.is_heeded else None


def ask(reason: str) -> None:
    """Ask this process to stop; gpuq's own part. Only the first reason counts."""
    with _lock:
        if _Request.reason is not None:
            return
        _Request.reason = reason
        callbacks = tuple(_Request.callbacks)
    if FILE in os.environ:
        with contextlib.suppress(OSError):
            draft = Path(f"{os.environ[FILE]}.{os.getpid()}")
            draft.write_text(reason)
            draft.replace(os.environ[FILE])
    os.kill(os.getpid(), signal.SIGUSR1)
    for callback in callbacks:
        _call(callback, reason)


def _call(callback: Callable[[str], object], reason: str) -> None:
    threading.Thread(target=callback, args=(reason,), name="stop", daemon=True).start()
