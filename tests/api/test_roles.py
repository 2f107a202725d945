"""Who may change what all jobs are ruled by."""

from __future__ import annotations

import asyncio
import json
import os
from functools import cache
from typing import Any

import pytest

from gpuq_daemon.api.app import make_app
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.roles import may_administer
from gpuq_daemon.store.jobs import Owner

# Litestar's next major version will want parameters of routes marked in another way; this one needs no change.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
STRANGER = 54_321
CHANGES: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/v1/accounts", {"name": "x"}),
    ("PATCH", "/v1/accounts/x", {}),
    ("DELETE", "/v1/accounts/x", {}),
    ("POST", "/v1/members", {"user": "eve", "account": "x"}),
    ("PATCH", "/v1/members/x/eve", {}),
    ("DELETE", "/v1/members/x/eve", {}),
    ("POST", "/v1/qos", {"name": "x"}),
    ("PATCH", "/v1/qos/x", {}),
    ("DELETE", "/v1/qos/x", {}),
    ("PATCH", "/v1/limits/user/eve", {}),
    ("DELETE", "/v1/limits/user/eve", {}),
    ("POST", "/v1/reservations", {"name": "x", "nodes": ["n"], "end_at": 9e9}),
    ("DELETE", "/v1/reservations/x", {}),
    ("POST", "/v1/drains", {"node": "n", "reason": "x"}),
    ("DELETE", "/v1/drains/n", {}),
    ("DELETE", "/v1/diag", {}),
    ("POST", "/v1/config", {}),
]


@cache
def an_app() -> Any:
    """Return the API on an empty desk: it can do nothing but refuse."""
    return make_app(object.__new__(Desk))


def answer(method: str, path: str, body: dict[str, Any], *, uid: int) -> tuple[int, str]:
    """Return status and text of what the API says to a peer."""
    sent: list[dict[str, Any]] = []
    content = json.dumps(body).encode()
    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())],
        "extensions": {"gpuq.peer": {"uid": uid}},
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(an_app()(scope, receive, send))
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent).decode()


@pytest.mark.skipif(os.geteuid() == STRANGER, reason="runs as the stranger")
@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_a_stranger_may_change_nothing(method: str, path: str, body: dict[str, Any]) -> None:
    status, said = answer(method, path, body, uid=STRANGER)

    assert status == 403
    assert "54321 may not administer this cluster" in said


def test_every_route_that_changes_the_rules_is_tried_above() -> None:
    tried = {(method, path) for method, path, _ in CHANGES}
    routes = {
        (method, path.split("/{")[0], path.count("{"))
        for path, item in an_app().openapi_schema.to_schema()["paths"].items()
        for method in ("POST", "PATCH", "DELETE", "PUT")
        if method.lower() in item and not path.startswith("/v1/jobs")
    }

    assert routes == {(method, "/".join(path.split("/")[:3]), len(path.split("/")) - 3) for method, path in tried}


def test_administrators_are_root_and_who_runs_gpuqd() -> None:
    assert may_administer(Owner(user="root", uid=0))
    assert may_administer(Owner(user="me", uid=os.geteuid()))
    assert not may_administer(Owner(user="root", uid=STRANGER))
