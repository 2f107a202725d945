"""Changes of what operators decide, with `dry_run`: answered by who would start when; nothing is changed."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import msgspec

from gpuq.errors import GpuqError, UsageError
from gpuq_daemon.api.ahead import WouldMove
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.problem import problem, status_of
from gpuq_daemon.api.timing import App, Receive, Scope, Send
from gpuq_daemon.store.trial import TrialStore

_TRIAL = "gpuq.trial"  # among the extensions of an ASGI scope
_NOUNS = ("/v1/accounts", "/v1/members", "/v1/qos", "/v1/limits", "/v1/reservations", "/v1/drains")

PARAMETER: dict[str, Any] = {
    "name": "dry_run",
    "in": "query",
    "schema": {"type": "boolean", "default": False},
    "description": "Answer who would start when (`WouldMove`), and change nothing.",
    "required": False,
}


def can_be_tried(method: str, path: str) -> bool:
    """Return whether a request can be asked with `dry_run`."""
    return method.upper() in ("POST", "PATCH", "DELETE") and path.startswith(_NOUNS)


def is_trial(scope: Scope) -> bool:
    """Return whether a request that changes something asks only what would come of it."""
    asked = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True).get("dry_run", ())
    return any(said.lower() not in ("false", "0", "no", "off") for said in asked)  # in doubt nothing is changed


def desk_of(scope: Any, desk: Desk) -> Desk:
    """Return the desk that a request is to be answered at: one that keeps nothing, for a trial."""
    extensions: dict[str, Any] = scope.get("extensions") or {}
    return extensions.get(_TRIAL, desk)


async def answer_trial(app: App, desk: Desk, scope: Scope, receive: Receive, send: Send) -> None:
    """Let the route make its change on a store that takes it back, and answer what would come of it.

    What the route refuses is answered as without the trial.
    """
    if not can_be_tried(scope["method"], scope["path"]):
        refused = UsageError(
            f"{scope['method']} {scope['path']} cannot be tried: leave out dry_run. What can are changes of accounts, "
            "members, QOS, limits, reservations and drains."
        )
        return await _send(send, 400, problem(400, str(refused)))
    trial = TrialStore(desk.accounts.database)
    scope["extensions"][_TRIAL] = replace(desk, accounts=trial, rules_changed=_nothing)
    messages: list[Any] = []
    await app(scope, receive, _into(messages))
    if messages and messages[0]["status"] >= 400:
        for message in messages:
            await send(message)
        return None
    try:
        found = await desk.ahead.what_if_decided(trial)
    except GpuqError as error:
        return await _send(send, status_of(error), problem(status_of(error), str(error)))
    change = f"{scope['method']} {scope['path']}"
    told = WouldMove(change=change, waiting=desk.jobs.count_pending(), moved=found.moved, is_whole=found.is_whole)
    return await _send(send, 200, told)


def _nothing() -> None:
    pass


def _into(messages: list[Any]) -> Callable[[Any], Awaitable[None]]:
    async def keep(message: Any) -> None:
        messages.append(message)

    return keep


async def _send(send: Send, status: int, value: WouldMove | dict[str, Any]) -> None:
    is_problem = isinstance(value, dict)
    body = json.dumps(value).encode() if is_problem else msgspec.json.encode(value)
    kind = b"application/problem+json" if is_problem else b"application/json"
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
