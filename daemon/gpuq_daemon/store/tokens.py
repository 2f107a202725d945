"""Tokens of users on other machines: who may use each and until when. The secrets themselves are not kept.

A token is `gpuq_<id>_<secret>` with a secret of 256 random bits. What is kept is its SHA-256: a slow hash with a salt
protects what people choose, but nobody finds 256 random bits by trying, and one that is slow would let anyone who asks
often keep the daemon busy. It is found by its id and compared in constant time.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import re

from sqlite_utils import Database as Tables

from gpuq.errors import NotFoundError, UnavailableError, UsageError
from gpuq.identity import TokenRow
from gpuq_daemon.store.database import Database

_TOKEN = re.compile(r"gpuq_(?P<id>[1-9][0-9]{0,17})_(?P<secret>[A-Za-z0-9_-]{43})")
_COLUMNS = "id, user, name, created_at, created_by, expires_at, last_used_at"
_MOST_OF_A_USER = 100
_SEEN_EVERY_S = 60.0


class TokenStore:
    """All tokens. Changes are durable when they return."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def create(self, new: TokenRow, secret: str) -> TokenRow:
        """Keep a token whose id is given here, and return it. `secret` is 32 random bytes as URL-safe base64.

        Raises:
            UsageError: the user has one of this name, or too many.
        """

        def write(tables: Tables) -> TokenRow:
            names = {row[0] for row in tables.execute("SELECT name FROM tokens WHERE user = :user", {"user": new.user})}
            if new.name in names:
                raise UsageError(f"User {new.user} has a token {new.name} already: revoke it, or name this another.")
            if len(names) >= _MOST_OF_A_USER:
                raise UsageError(f"User {new.user} has {len(names)} tokens: revoke one first.")
            cursor = tables.execute(
                """INSERT INTO tokens (user, name, sha256, created_at, created_by, expires_at)
                   VALUES (:user, :name, :sha256, :created_at, :created_by, :expires_at)""",
                {
                    "user": new.user,
                    "name": new.name,
                    "sha256": _hash(secret),
                    "created_at": new.created_at,
                    "created_by": new.created_by,
                    "expires_at": new.expires_at,
                },
            )
            return _one(tables, int(cursor.lastrowid or 0))

        return await self._db.write(write)

    def token(self, token_id: int) -> TokenRow:
        """Return one token.

        Raises:
            NotFoundError: there is none.
        """
        found = self._db.rows(f"SELECT {_COLUMNS} FROM tokens WHERE id = :id", {"id": token_id})
        if not found:
            raise NotFoundError(f"There is no token {token_id}; `gpuq admin token list` lists those there are.")
        return TokenRow(**found[0])

    def tokens(self, user: str | None = None) -> list[TokenRow]:
        """Return the tokens of all users, or of one, by user and name."""
        found = self._db.rows(
            f"SELECT {_COLUMNS} FROM tokens WHERE :user IS NULL OR user = :user ORDER BY user, name", {"user": user}
        )
        return [TokenRow(**row) for row in found]

    async def revoke(self, token_id: int) -> None:
        """Take a token away; from now on nobody is let in with it."""
        await self._db.write(lambda tables: tables.execute("DELETE FROM tokens WHERE id = :id", {"id": token_id}))

    async def shown(self, text: str, *, now: float) -> TokenRow | None:
        """Return the token that a request shows, None if it is none or has expired; note that it was used."""
        match = _TOKEN.fullmatch(text)
        if match is None:
            return None
        found = self._db.rows(f"SELECT sha256, {_COLUMNS} FROM tokens WHERE id = :id", {"id": int(match["id"])})
        kept = found[0].pop("sha256") if found else bytes(32)
        is_right = hmac.compare_digest(kept, _hash(match["secret"]))
        if not found or not is_right:
            return None
        token = TokenRow(**found[0])
        if token.expires_at is not None and token.expires_at <= now:
            return None
        if token.last_used_at is None or abs(now - token.last_used_at) >= _SEEN_EVERY_S:
            with contextlib.suppress(UnavailableError):  # a disk that is full keeps nobody from looking
                await self._db.write(
                    lambda tables: tables.execute(
                        "UPDATE tokens SET last_used_at = :now WHERE id = :id", {"now": now, "id": token.id}
                    )
                )
        return token


def token_text(token_id: int, secret: str) -> str:
    """Return a token as it is shown."""
    return f"gpuq_{token_id}_{secret}"


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _one(tables: Tables, token_id: int) -> TokenRow:
    cursor = tables.execute(f"SELECT {_COLUMNS} FROM tokens WHERE id = :id", {"id": token_id})
    names = [column[0] for column in cursor.description]
    return TokenRow(**dict(zip(names, cursor.fetchone(), strict=True)))
