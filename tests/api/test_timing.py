"""Requests are counted by route from their head to where their answer begins."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gpuq_daemon.api.timing import App, timed
from gpuq_daemon.vitals import Vitals


def answering(
    status: int, vitals: Vitals, *, template: str | None = "/v1/jobs/{job_id}", seen: list[tuple[int, int]]
) -> App:
    """Return an application that routes, answers in two messages, and notes what is under way between them."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if template:
            scope["path_template"] = template
        await send({"type": "http.response.start", "status": status})
        seen.append((vitals.in_flight, vitals.streaming))
        await send({"type": "http.response.body", "body": b""})

    return app


def ask(app: App, vitals: Vitals) -> None:
    """Send one request through `app`, whose answer begins after half a second."""

    async def ignore(*_: Any) -> None: ...

    ticks = iter([1.0, 1.5])
    asyncio.run(_run(timed(app, vitals, lambda: next(ticks)), ignore))


async def _run(app: App, ignore: Any) -> None:
    await app({"type": "http", "method": "GET"}, ignore, ignore)


def test_a_route_counts_under_its_template_and_streams_until_it_ends() -> None:
    vitals, seen = Vitals(), list[tuple[int, int]]()

    ask(answering(200, vitals, seen=seen), vitals)

    [route] = vitals.routes.spreads()
    assert (route.name, route.count, route.max_s) == ("GET /v1/jobs/{job_id}", 1, 0.5)
    assert seen == [(1, 1)]
    assert (vitals.in_flight, vitals.streaming) == (0, 0)


@pytest.mark.parametrize(("status", "errors", "refused"), [(200, 0, 0), (404, 0, 1), (503, 1, 0)])
def test_refusals_and_errors_are_told_apart(status: int, errors: int, refused: int) -> None:
    vitals = Vitals()

    ask(answering(status, vitals, seen=[]), vitals)

    assert (vitals.errors.total(), vitals.refused.total()) == (errors, refused)


def test_a_path_that_is_no_route_names_nothing() -> None:
    vitals = Vitals()

    ask(answering(404, vitals, template=None, seen=[]), vitals)

    assert [one.name for one in vitals.routes.spreads()] == ["no such route"]


def test_a_request_that_breaks_off_is_under_way_no_more() -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("x")

    vitals = Vitals()

    with pytest.raises(RuntimeError, match="x"):
        ask(broken, vitals)

    assert (vitals.in_flight, vitals.streaming, vitals.routes.spreads()) == (0, 0, [])
