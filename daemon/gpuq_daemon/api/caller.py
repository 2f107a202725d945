"""Who asks: a user in a role, from where, and by which token."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol

from litestar import Request

from gpuq_daemon.access import RolesTable
from gpuq_daemon.store.jobs import Owner

CALLER = "gpuq.caller"  # among the extensions of an ASGI scope


class Role(IntEnum):
    """What a user may do; a higher role may all that a lower one may.

    Source: Slurm's AdminLevel (sacctmgr): None, Operator, Administrator.
    """

    USER = 0
    OPERATOR = 1
    ADMIN = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks. `source` is where from: "pid 4711", or an address and port. `token` is the name of the token shown.

    `sees_all`: whether other users' jobs are theirs to look at.
    """

    owner: Owner
    role: Role
    source: str
    token: str | None = None
    sees_all: bool = True

    def may_see(self, user: str) -> bool:
        """Whether what belongs to `user` is theirs to look at."""
        return self.sees_all or user == self.owner.user

    def may_change(self, user: str) -> bool:
        """Whether a job of `user` is theirs to change."""
        return self.role >= Role.OPERATOR or user == self.owner.user


class Asking(Protocol):
    """A request, as far as the gate has put something into its scope."""

    @property
    def scope(self) -> Any:
        """The ASGI scope."""
        ...


def caller(request: Asking) -> Caller:
    """Return who asks."""
    found: Caller = request.scope["extensions"][CALLER]  # what the gate put there
    return found


def owner(request: Request[Any, Any, Any]) -> Owner:
    """Return the user that asks."""
    return caller(request).owner


def role_of(table: RolesTable, who: Owner, groups: Iterable[str], *, own_uid: int) -> Role:
    """Return the highest role that the table gives a user in these Unix groups; `own_uid` is gpuqd's."""
    names = {who.user, *(f"@{group}" for group in groups)}
    if who.uid in (0, own_uid) or not names.isdisjoint(table.admin):
        return Role.ADMIN
    return Role.USER if names.isdisjoint(table.operator) else Role.OPERATOR
