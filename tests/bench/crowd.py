"""Many clients in one process: each asks over a connection of its own, and asks again once it is answered."""

from __future__ import annotations

import selectors
import socket
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.bench.loaded import Wire


@dataclass(frozen=True, slots=True)
class Question:
    """A request, what it is called in the figures, and the statuses that are right for it."""

    name: str
    data: bytes
    right: tuple[int, ...] = (200, 201)


@dataclass(kw_only=True)
class Heard:
    """Answers: seconds by question, the wrong ones by question and status, and broken connections."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    wrong: Counter[str] = field(default_factory=Counter[str])
    broken: int = 0

    @property
    def all_seconds(self) -> list[float]:
        """All answers'."""
        return [one for some in self.seconds.values() for one in some]


def ask(path: str, clients: int, next_question: Callable[[], Question | None], heard: Callable[[bytes], None]) -> Heard:
    """Let so many clients ask until there is no next question, and return what they were answered.

    `heard` is given the answers that are right.
    """
    found, selector = Heard(), selectors.DefaultSelector()
    asked: dict[Wire, tuple[Question, float]] = {}

    def go_on(wire: Wire) -> None:
        question = next_question()
        if question is None:
            selector.unregister(wire.socket)
            wire.close()
            return
        asked[wire] = (question, time.perf_counter())
        wire.socket.sendall(question.data)

    for _ in range(clients):
        wire = Wire(path)
        selector.register(wire.socket, selectors.EVENT_READ, wire)
        go_on(wire)
    while selector.get_map():
        for key, _ in selector.select():
            wire: Wire = key.data
            question, began = asked[wire]
            try:
                answer = wire.answer()
            except ConnectionError:
                found.broken += 1
                selector.unregister(wire.socket)
                wire.close()
                continue
            found.seconds[question.name].append(time.perf_counter() - began)
            status = int(answer[9:12])
            if status in question.right:
                heard(answer)
            else:
                found.wrong[f"{question.name} {status}"] += 1
            go_on(wire)
    selector.close()
    return found


def connect_many(path: str, count: int, greeting: bytes = b"") -> list[socket.socket]:
    """Return so many connections that have said `greeting` and nothing since; those beyond the limit on files are left.

    A full backlog is waited for, as the client does.
    """
    found = list[socket.socket]()
    for _ in range(count):
        try:
            one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        except OSError:
            break
        while True:
            try:
                one.connect(path)
                break
            except BlockingIOError:
                time.sleep(0.005)
        one.setblocking(False)
        if greeting:
            one.sendall(greeting)
        found.append(one)
    return found


def still_open(connections: list[socket.socket]) -> int:
    """Return how many connections the other end has not closed; what they say is read and left."""
    count = 0
    for one in connections:
        try:
            while one.recv(1_048_576):
                pass
        except BlockingIOError:
            count += 1
        except ConnectionError:
            pass
    return count
