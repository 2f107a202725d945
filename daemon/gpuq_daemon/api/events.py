"""The stream of changes, as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Annotated, Any

from litestar import Request, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Parameter
from litestar.response import Stream

from gpuq.errors import UnavailableError
from gpuq_daemon.api.caller import Caller, caller
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.jobs import JobId
from gpuq_daemon.api.snapshot import snapshot
from gpuq_daemon.api.visible import may_see, sees_everything
from gpuq_daemon.feed.feed import Feed
from gpuq_daemon.feed.listener import Listener, Wants
from gpuq_daemon.feed.position import Position, parse_position

_MOST_STREAMS = 8192
_SIGN_OF_LIFE = b":\n\n"
_RETRY = b"retry: 1000\n\n"
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@get(
    "/v1/events",
    media_type="text/event-stream",
    responses={200: ResponseSpec(data_container=str, media_type="text/event-stream", generate_examples=False)},
)
async def stream_events(
    request: Request[Any, Any, Any],
    desk: Desk,
    job_ids: Annotated[
        list[JobId] | None, Parameter(query="job", description="Only events of these jobs.", max_items=1000)
    ] = None,
    user: Annotated[str | None, Parameter(max_length=64, description="Only this user's jobs.")] = None,
    heartbeat_s: Annotated[
        float, Parameter(ge=1, le=300, description="An empty comment comes after so many seconds without an event.")
    ] = 15.0,
    table: Annotated[
        bool, Parameter(description="At the beginning, jobs that have never begun come as `table` instead of `jobs`.")
    ] = False,
    last_event_id: Annotated[
        str | None,
        Parameter(header="Last-Event-ID", max_length=64, description="The last id seen: the stream goes on after it."),
    ] = None,
) -> Stream:
    """Tell what changes, as it changes.

    A stream that cannot go on where `Last-Event-ID` was begins with `reset`, then everything there is (`cluster`,
    `gpus` with `is_whole`, and `jobs` in several events), then `ready`. With `table`, jobs that have never begun come
    by column, as `{"same": {...}, "columns": {...}}`: each field of a job is in one of both, as the value that all of
    them have or as a list with one for each, in the same order. After that every event has an `id`: `job`
    (its `id` and the fields that changed, all of them of a job not told of before; `priority`, and `charged_gpu_s`
    while it runs, are left out), `removed`, `node`, `node_removed`, `engine`, `shares` (computed anew), `gpus` (those
    that are otherwise, as whole rows, and which are `gone`), `pods` (those of an attempt that have come, changed or
    gone, as `/v1/trace` has them), `rules` (what operators decide; with the drained nodes). Who reads too slowly gets
    `reset` again.
    """
    if desk.feed.streams >= _MOST_STREAMS:
        raise UnavailableError(f"{_MOST_STREAMS} streams are open already: try again later.")
    wants = Wants(job_ids=frozenset(job_ids or ()), user=user)
    seen = None if last_event_id is None else parse_position(last_event_id)
    why = "new" if last_event_id is None else "unknown"
    begin = partial(snapshot, desk, caller(request), has_table=table)
    return Stream(
        _stream(desk, caller(request), wants, begin, seen, why, heartbeat_s),
        media_type="text/event-stream",
        headers=_HEADERS,
    )


async def _stream(
    desk: Desk,
    who: Caller,
    wants: Wants,
    begin: Callable[[Listener, str], AsyncGenerator[bytes, None]],
    seen: Position | None,
    why: str,
    heartbeat_s: float,
) -> AsyncGenerator[bytes, None]:
    feed = desk.feed
    visible = None if sees_everything(who) else _visible(who)
    with feed.listening(wants) as listener:
        yield _RETRY
        await feed.warm_up()
        if seen is not None and feed.knows(seen):
            listener.seen = seen.number
        else:
            async for part in begin(listener, why):
                yield part
        while not feed.is_closed:
            text = feed.read(listener, visible)
            if text is None:
                async for part in begin(listener, "behind"):
                    yield part
            elif text:
                yield text
            elif not await listener.sleep(heartbeat_s):
                _catch_up(feed, listener)
                yield _SIGN_OF_LIFE


def _catch_up(feed: Feed, listener: Listener) -> None:
    """Note that a listener which nothing woke has missed nothing."""
    if listener.wants.job_ids:
        listener.seen = feed.position.number


def _visible(who: Caller) -> Callable[[str | None], bool]:
    return lambda user: may_see(who, user)
