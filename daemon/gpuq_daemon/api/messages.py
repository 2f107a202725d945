"""Routes about what owners are told of their jobs: the outbox, and the key that webhooks are signed with."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from litestar import Request, get
from litestar.params import Parameter
from msgspec import Struct

from gpuq.errors import ForbiddenError
from gpuq.models import Message
from gpuq_daemon.api.caller import Role, caller
from gpuq_daemon.api.desk import Desk

_MOST = 1000


class Messages(Struct):
    """Messages, the newest first."""

    messages: list[Message]


class NoticesKey(Struct):
    """What webhooks of the asking user's jobs are signed with: HMAC-SHA256 of "v0:<timestamp>:<body>"."""

    user: str
    key: str


@get("/v1/messages")
async def list_messages(
    request: Request[Any, Any, Any],
    desk: Desk,
    user: str | None = None,
    job: Annotated[int | None, Parameter(ge=1, lt=2**62)] = None,
    in_state: Annotated[Literal["waiting", "sent", "dropped"] | None, Parameter(query="state")] = None,
    limit: Annotated[int, Parameter(ge=1, le=_MOST)] = 100,
) -> Messages:
    """Return who asks' own messages; for an operator everybody's, or those of `user`."""
    who = caller(request)
    if who.role < Role.OPERATOR:
        if user not in (None, who.owner.user):
            raise ForbiddenError(
                "What others are told of their jobs is theirs to see, and operators': ask for your own."
            )
        user = who.owner.user
    return Messages(desk.messages.messages(user=user, job_id=job, state=in_state, limit=limit))


@get("/v1/messages/key")
async def show_key(request: Request[Any, Any, Any], desk: Desk) -> NoticesKey:
    """Return the key by which a receiver knows that a webhook is of who asks' jobs."""
    user = caller(request).owner.user
    return NoticesKey(user=user, key=await asyncio.to_thread(desk.notices_key, user))
