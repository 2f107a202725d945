"""Keys one after the other: each goes to what the one before has brought up.

Keys that are typed quickly, or held up by SSH, arrive together. Textual hands them all to the widget that has the keys
at that moment, and a prompt or a dialog that the first of them opens gets none of the others.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import replace
from typing import ClassVar

from textual import events
from textual.app import App
from textual.binding import Binding, BindingType
from textual.message import Message

_LOST_AFTER_S = 1.0


class NamedKeys:
    """What has keys that people may change: each is known by the name of what it does, as `named` makes it."""

    BINDINGS: ClassVar[list[BindingType]] = []

    def __init_subclass__(cls, **kwargs: object) -> None:
        """Name the keys that the class has of its own."""
        if "BINDINGS" in cls.__dict__:
            own = [replace(b, id=named(b.action)) if isinstance(b, Binding) else b for b in cls.BINDINGS]
            cls.BINDINGS = own  # pyright: ignore[reportConstantRedefinition] - Textual's name for what a class has
        super().__init_subclass__(**kwargs)


def named(action: str) -> str:
    """Return the name of an action in the settings: `go why` for "go('why')", `move -1` for "move(-1)"."""
    verb, _, arguments = action.partition("(")
    return " ".join((verb, *arguments.rstrip(")").replace("'", "").split(", "))).strip()


class OrderedKeys(App[None]):
    """Hands on a key when all that the last one led to has been done.

    That is known by a message behind each key, which takes the same way: to the widget, up to the screen and to the
    app; and then once more from the screen that is shown by then, behind what the key made the first one ask for.
    """

    class Passed(Message):
        """All before it has been handled `rounds` times more than once."""

        def __init__(self, rounds: int) -> None:
            super().__init__()
            self.rounds = rounds

    def __init__(self) -> None:
        super().__init__(ansi_color=True)
        self._held: deque[events.Key] = deque()
        self._sent_at: float | None = None

    async def on_event(self, event: events.Event) -> None:
        """Handle an event; a key that has just been pressed may be held back."""
        if isinstance(event, events.Key) and not event.is_forwarded:
            if self._sent_at is not None and time.monotonic() - self._sent_at < _LOST_AFTER_S:
                self._held.append(event)
                return
            self._sent_at = time.monotonic()
            await super().on_event(event)
            self._follow(1)
            return
        await super().on_event(event)

    def _follow(self, rounds: int) -> None:
        target = self.focused or self.screen
        if not target.post_message(self.Passed(rounds)):
            self._send_next()

    async def on_ordered_keys_passed(self, message: Passed) -> None:
        """Let what was asked for meanwhile be done, then hand on the next key."""
        message.stop()
        if message.rounds > 0:
            self._follow(message.rounds - 1)
        else:
            self._send_next()

    def _send_next(self) -> None:
        self._sent_at = None
        if self._held:
            self.post_message(self._held.popleft())
