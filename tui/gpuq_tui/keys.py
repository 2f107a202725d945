"""Keys one after the other: each goes to what the one before has brought up.

Keys that are typed quickly, or held up by SSH, arrive together. Textual hands them all to the widget that has the keys
at that moment, and a prompt or a dialog that the first of them opens gets none of the others.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from functools import partial
from typing import ClassVar

from textual import events
from textual.app import App
from textual.binding import Binding, BindingType
from textual.message import Message

_LOST_AFTER_S = 1.0
_STEPS = 3
"""From a key to the screen that it opens: a pane asks its view, and that the app; and one to spare."""


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
    """Hands on a key, or pasted text, when all that the last one led to has been done.

    That is known by a message behind each key, which takes the same way: to the widget, up to the screen and to the
    app; and then again from the screen that is shown by then, behind what the key made the ones before ask for. No key
    overtakes another, however long that takes: a letter typed after `:` must never act as a key.
    """

    class Passed(Message):
        """All that key `turn` led to has been handled, but for what that asked for in `rounds` more steps."""

        def __init__(self, turn: int, rounds: int) -> None:
            super().__init__()
            self.turn = turn
            self.rounds = rounds

    def __init__(self) -> None:
        super().__init__(ansi_color=True)
        self._held: deque[events.Key | events.Paste] = deque()
        self._turn = 0
        self._is_under_way = False

    async def on_event(self, event: events.Event) -> None:
        """Handle an event; what is typed waits for what was typed before."""
        if not isinstance(event, events.Key | events.Paste) or event.is_forwarded:
            await super().on_event(event)
        elif self._is_under_way:
            self._held.append(event)
            if len(self._held) == 1:
                self.set_timer(_LOST_AFTER_S, partial(self._look_for, self._turn))
        else:
            await self._hand_on(event)

    async def on_ordered_keys_passed(self, message: Passed) -> None:
        """Let what was asked for meanwhile be done, then hand on the next key."""
        message.stop()
        if message.turn != self._turn or not self._is_under_way:
            return
        if message.rounds > 0:
            self._follow(message.rounds - 1)
            return
        self._is_under_way = False
        if self._held:
            await self._hand_on(self._held.popleft())

    async def _hand_on(self, event: events.Key | events.Paste) -> None:
        self._is_under_way, self._turn = True, self._turn + 1
        await super().on_event(event)
        self._follow(_STEPS)

    def _follow(self, rounds: int) -> None:
        passed = self.Passed(self._turn, rounds)
        if not (self.focused or self.screen).post_message(passed):
            self.post_message(passed)

    def _look_for(self, turn: int) -> None:
        """Ask again where a widget that has gone has taken the message with it."""
        if self._held:
            if turn == self._turn:
                self._follow(_STEPS)
            self.set_timer(_LOST_AFTER_S, partial(self._look_for, self._turn))
