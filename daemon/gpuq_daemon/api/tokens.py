"""Routes about who asks, and about tokens: users make and revoke their own, admins anybody's."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

from litestar import Request, delete, get, post
from litestar.params import Parameter
from msgspec import Meta, Struct

from gpuq.errors import ForbiddenError, NotFoundError
from gpuq.identity import Me, TokenRow
from gpuq_daemon.api.accounts import Done
from gpuq_daemon.api.caller import Caller, Role, caller
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.names import checked_name, checked_user
from gpuq_daemon.api.recording import note
from gpuq_daemon.store.tokens import token_text

_SECRET_BYTES = 32
_LONGEST_S = 10 * 366 * 86_400

TokenId = Annotated[int, Parameter(ge=1, lt=2**62)]


class NewToken(Struct, forbid_unknown_fields=True):
    """A token to make; `user` None is for who asks, `expires_in_s` None for ever."""

    user: str | None = None
    name: str = "default"
    expires_in_s: Annotated[int, Meta(ge=1, le=_LONGEST_S)] | None = None


class MadeToken(Struct):
    """A new token with its text, which is told this once."""

    row: TokenRow
    token: str


class Tokens(Struct):
    """Tokens by user and name."""

    tokens: list[TokenRow]


@get("/v1/me")
async def show_me(request: Request[Any, Any, Any]) -> Me:
    """Return who asks, as gpuqd sees it."""
    who = caller(request)
    return Me(user=who.owner.user, uid=who.owner.uid, role=who.role.name.lower(), token=who.token)


@post("/v1/tokens")
async def create_token(request: Request[Any, Any, Any], desk: Desk, data: NewToken) -> MadeToken:
    """Make a token for who asks, or, as an admin, for anybody. A token cannot make another one."""
    who = caller(request)
    user = who.owner.user if data.user is None else checked_user(data.user)
    name = checked_name(data.name, "token")
    note(request, target=f"{user}/{name}")
    _check_own(who, user)
    now = desk.clock.now()
    expires_at = None if data.expires_in_s is None else now + data.expires_in_s
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    row = await desk.tokens.create(
        TokenRow(id=0, user=user, name=name, created_at=now, created_by=who.owner.user, expires_at=expires_at), secret
    )
    return MadeToken(row=row, token=token_text(row.id, secret))


@get("/v1/tokens")
async def list_tokens(request: Request[Any, Any, Any], desk: Desk) -> Tokens:
    """Return who asks' own tokens; for an admin everybody's."""
    who = caller(request)
    return Tokens(desk.tokens.tokens(None if who.role >= Role.ADMIN else who.owner.user))


@delete("/v1/tokens/{token_id:int}", status_code=200)
async def revoke_token(request: Request[Any, Any, Any], desk: Desk, token_id: TokenId) -> Done:
    """Revoke a token of who asks, or, as an admin, anybody's. A token can do this too: to itself and its likes."""
    who = caller(request)
    row = desk.tokens.token(token_id)
    if who.role < Role.ADMIN and row.user != who.owner.user:
        raise NotFoundError(f"There is no token {token_id}; `gpuq admin token list` lists those there are.")
    note(request, target=f"{row.user}/{row.name}")
    await desk.tokens.revoke(token_id)
    return Done(f"{row.user}/{row.name}")


def _check_own(who: Caller, user: str) -> None:
    if who.token is not None:
        raise ForbiddenError("A token cannot make another token: log in on gpuqd's host and make it there.")
    if who.role < Role.ADMIN and user != who.owner.user:
        raise ForbiddenError(f"User {who.owner.user} may make tokens for themselves only: ask an admin for others.")
