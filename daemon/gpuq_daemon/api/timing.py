"""How long requests take, by route: around the whole application, so that nothing escapes it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from gpuq_daemon.vitals import Ticks, Vitals

# As the ASGI specification has them; each framework names these types anew.
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]


def timed(app: App, vitals: Vitals, ticks: Ticks = time.perf_counter) -> App:
    """Return `app`, with each request counted from its head to where its answer begins.

    A stream may last for days: what counts is how soon it began. Until its end it is one of `vitals.streaming`.
    """

    async def count(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await app(scope, receive, send)
        began = ticks()
        has_begun = False

        async def tell(message: Any) -> None:
            nonlocal has_begun
            if not has_begun:
                has_begun = True
                vitals.streaming += 1
                _count(vitals, _route(scope), message.get("status", 0), ticks() - began)
            await send(message)

        vitals.in_flight += 1
        try:
            await app(scope, receive, tell)
        finally:
            vitals.in_flight -= 1
            vitals.streaming -= has_begun

    return count


def _route(scope: Scope) -> str:
    """Return method and template, which the application's router has left in the scope; no name from outside."""
    template = scope.get("path_template")
    return f"{scope['method']} {template}" if template else "no such route"


def _count(vitals: Vitals, route: str, status: int, seconds: float) -> None:
    vitals.routes[route].record(seconds)
    if status >= 500:
        vitals.errors[route] += 1
    elif status >= 400:
        vitals.refused[route] += 1
