"""The newest events, numbered, in bounded memory; whoever is behind the oldest must begin anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_MOST_EVENTS = 16_384
_MOST_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Event:
    """One change, as the bytes that every stream sends. `job_id` and `user` are those of the job it is about.

    `for_others` goes in place of `text` to those who may not see what is about `user`, or about everybody; None where
    it says the same.
    """

    text: bytes
    job_id: int | None = None
    user: str | None = None
    for_others: bytes | None = None


class Ring:
    """Events by their number: the first ever is 1."""

    def __init__(self, *, most_events: int = _MOST_EVENTS, most_bytes: int = _MOST_BYTES) -> None:
        self._most_events = most_events
        self._most_bytes = most_bytes
        self._events: list[Event] = []
        self._bytes = 0
        self.newest = 0

    @property
    def floor(self) -> int:
        """The number before the oldest event that is kept: whoever has seen that much misses nothing."""
        return self.newest - len(self._events)

    def add(self, event: Event) -> None:
        """Keep an event under the next number, and let the oldest go if there are too many."""
        self._events.append(event)
        self._bytes += len(event.text)
        self.newest += 1
        while len(self._events) > self._most_events or self._bytes > self._most_bytes:
            self._drop(max(1, len(self._events) // 4))  # many at once: taking one off a list moves all others

    def after(self, seen: int, most: int = _MOST_EVENTS) -> Sequence[Event] | None:
        """Return at most so many events after number `seen`, None if some of them are gone.

        Raises:
            ValueError: nothing has that number yet.
        """
        if seen > self.newest:
            raise ValueError(f"event {seen} is yet to come")
        if seen < self.floor:
            return None
        begin = seen - self.floor
        return self._events[begin : begin + most]

    def clear(self) -> None:
        """Let all go. Whoever has not seen all of them, and whoever has, begins anew."""
        self._events.clear()
        self._bytes = 0
        self.newest += 1

    def _drop(self, count: int) -> None:
        self._bytes -= sum(len(event.text) for event in self._events[:count])
        del self._events[:count]
