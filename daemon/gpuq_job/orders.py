"""What gpuqd tells the driver of a running attempt: a real-time signal for each order.

A signal needs no file that both can write to, and only gpuqd and the job's owner can send it. Source: signal(7).
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from enum import StrEnum


class Order(StrEnum):
    """What the ranks are to do: stop soon, for a reason, or print where each of their threads is."""

    TIME_LIMIT = "time limit"
    DEADLINE = "deadline"
    CANCELLED = "cancelled"
    PREEMPTED = "preempted"
    REQUEUED = "requeued"
    STACKS = "stacks"

    @property
    def signal(self) -> int:
        """The number of the signal that stands for it."""
        return signal.SIGRTMIN + 1 + tuple(Order).index(self)

    @property
    def word(self) -> str:
        """What the driver says to its ranks."""
        return self.value if self is Order.STACKS else f"{STOP}{self.value}"


STOP = "stop: "
_BY_SIGNAL = {order.signal: order for order in Order}


def listen(heard: Callable[[Order], object]) -> None:
    """Call `heard` with every order from now on, in a thread of its own.

    To be called before any other thread is started: the signals are blocked in all that come after.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _BY_SIGNAL)

    def wait() -> None:
        while True:
            heard(_BY_SIGNAL[signal.sigwait(_BY_SIGNAL)])

    threading.Thread(target=wait, name="orders", daemon=True).start()
