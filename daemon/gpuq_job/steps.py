"""How long the steps of a training take, and how much of each is the rank's own doing.

A step is one call of a `tf.function`, from the end of the call before. In a synchronous training all ranks have steps
of one length, since in each call they wait for the slowest. What tells that one apart is the time outside the calls
(reading data, Python, sleep), which is its own.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

_FUNCTIONS = "tensorflow.python.eager.polymorphic_function.polymorphic_function"
_TENSORS = "tensorflow.python.framework.ops"
_MOST = 4096
_KEPT_SHARE = 0.9


class StepTimes:
    """Counts the steps of one thread. Cheap: two looks at a clock for a step."""

    def __init__(self, ticks: Callable[[], float] = time.perf_counter) -> None:
        self._ticks = ticks
        self._thread = threading.get_ident()
        self._depth = 0
        self._left_at: float | None = None
        self._waited_s = 0.0
        self._steps: list[tuple[float, float]] = []  # whole and own seconds of each

    def counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return `call`, each outermost call of which in this thread ends a step."""

        def counted(*words: Any, **named: Any) -> Any:
            if self._depth or threading.get_ident() != self._thread:
                return call(*words, **named)
            began = self._ticks()
            self._depth = 1
            try:
                return call(*words, **named)
            finally:
                self._depth = 0
                self._end(began, self._ticks())

        return counted

    def waited(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return `call`, whose time is not the rank's own: it waits for what a step has begun on a GPU."""

        def waited(*words: Any, **named: Any) -> Any:
            if self._depth or threading.get_ident() != self._thread:
                return call(*words, **named)
            began = self._ticks()
            try:
                return call(*words, **named)
            finally:
                self._waited_s += self._ticks() - began

        return waited

    def take(self) -> dict[str, float] | None:
        """Return what there was since the last time, None without a step.

        The means leave out the longest tenth: now and then every rank saves, or the chief alone writes.
        """
        steps, self._steps = self._steps, []
        if not steps:
            return None
        return {
            "count": len(steps),
            "mean_s": _mean_of_most([whole for whole, _ in steps]),
            "p95_s": _p95([whole for whole, _ in steps]),
            "own_s": _mean_of_most([own for _, own in steps]),
            "own_p95_s": _p95([own for _, own in steps]),
        }

    def _end(self, began: float, ended: float) -> None:
        if self._left_at is not None and len(self._steps) < _MOST:
            own = max(0.0, began - self._left_at - self._waited_s)
            self._steps.append((ended - self._left_at, own))
        self._left_at, self._waited_s = ended, 0.0


def watch_steps(times: StepTimes) -> None:
    """Have TensorFlow's functions counted from now on. Without TensorFlow there is nothing to count."""
    functions: Any = sys.modules.get(_FUNCTIONS)
    tensors: Any = sys.modules.get(_TENSORS)
    if functions is None or tensors is None:
        return
    functions.Function.__call__ = times.counted(functions.Function.__call__)
    tensors._EagerTensorBase._numpy = times.waited(tensors._EagerTensorBase._numpy)


def _mean_of_most(times: list[float]) -> float:
    kept = sorted(times)[: max(1, int(len(times) * _KEPT_SHARE))]
    return sum(kept) / len(kept)


def _p95(times: list[float]) -> float:
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
