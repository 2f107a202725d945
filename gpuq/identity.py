"""Who is known to gpuqd and what they changed, as everybody sees it: the answers of the API about them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Me:
    """Who asks, as gpuqd sees it. `role` is user, operator or admin; `token` the name of the token shown."""

    user: str
    uid: int
    role: str
    token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """A token of a user, without its secret. Times are Unix seconds; `expires_at` None is never.

    `last_used_at` is right to the minute.
    """

    id: int
    user: str
    name: str
    created_at: float
    created_by: str
    expires_at: float | None = None
    last_used_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """A change, or a try: who (`token`: by which of their tokens), from where, when, what, and what became of it.

    `source` is "pid 4711" for the socket, else address and port. `change` says shortly what was before and after.
    `outcome` is done, refused or failed, and `error` then the sentence that was answered.
    """

    at: float
    uid: int
    user: str
    token: str | None
    source: str
    verb: str
    target: str | None
    change: str | None
    outcome: str
    error: str | None
