"""What systemd wants to be told: ready, reloading, stopping, alive.

Source: sd_notify(3), sd_watchdog_enabled(3).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import Awaitable, Callable, MutableMapping

logger = logging.getLogger(__name__)

_STATUS_EVERY_S = 10.0
_SEND_S = 1.0  # systemd's queue may be full: better no word than a loop that waits


class Notifier:
    """Tells the service manager what becomes of gpuqd; says nothing where there is none.

    `watchdog_s`: how often it must hear that gpuqd lives, or it kills it; None if it does not ask.
    """

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        """Take the manager's variables out of `environment`, so that no child of gpuqd can speak in its name."""
        name = environment.pop("NOTIFY_SOCKET", "")
        micros, pid = environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", "")
        self._address = f"\0{name[1:]}" if name.startswith("@") else name
        is_mine = pid in ("", str(os.getpid()))
        self.watchdog_s = int(micros) / 1e6 if micros.isdecimal() and int(micros) > 0 and is_mine else None

    @property
    def is_there(self) -> bool:
        """Whether anybody listens."""
        return bool(self._address)

    def tell(self, **fields: str | int) -> None:
        """Send fields, as in `tell(READY=1, STATUS="serves")`; a manager that does not listen is no error."""
        if not self._address:
            return
        lines = (f"{key}={' '.join(str(value).split())}" for key, value in fields.items())
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(_SEND_S)
            sender.sendto("\n".join(lines).encode(), self._address)

    def reloading(self) -> None:
        """Say that a reload begins; `tell(READY=1)` ends it."""
        self.tell(RELOADING=1, MONOTONIC_USEC=time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000)

    async def keep(self, status: Callable[[], str], alive: Callable[[], Awaitable[object]]) -> None:
        """Tell the status every ten seconds, and that gpuqd lives whenever `alive` has answered; for ever.

        That this runs at all is the event loop's sign of life; `alive` asks the thread that writes the database. An
        error is an answer, silence is none.
        """
        if not self.is_there:
            return
        every_s = min(_STATUS_EVERY_S, (self.watchdog_s or 60.0) / 2)
        while True:
            if await _answers(alive, every_s):
                self.tell(STATUS=status(), WATCHDOG=1)
            else:
                logger.error("the writer does not answer", extra={"seconds": every_s})
                continue
            await asyncio.sleep(every_s)


async def _answers(alive: Callable[[], Awaitable[object]], timeout_s: float) -> bool:
    try:
        await asyncio.wait_for(alive(), timeout_s)
    except TimeoutError:
        return False
    except Exception:
        logger.exception("the writer answers with an error")
    return True
