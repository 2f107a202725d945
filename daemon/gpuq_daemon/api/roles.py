"""Who may change what is not their own."""

from __future__ import annotations

from typing import Any

from litestar import Request

from gpuq.errors import ForbiddenError
from gpuq_daemon.api.caller import Role, caller
from gpuq_daemon.store.jobs import Owner


def administrator(request: Request[Any, Any, Any]) -> Owner:
    """Return who asks, if that is an admin: accounts, limits and tokens are theirs to change.

    Raises:
        ForbiddenError: it is not.
    """
    return _at_least(request, Role.ADMIN, "may not administer this cluster: ask an admin to do it")


def operator(request: Request[Any, Any, Any]) -> Owner:
    """Return who asks, if that is an operator (or admin): jobs of others, nodes and reservations are theirs to change.

    Raises:
        ForbiddenError: it is not.
    """
    return _at_least(request, Role.OPERATOR, "is no operator of this cluster: ask one to do it")


def _at_least(request: Request[Any, Any, Any], role: Role, otherwise: str) -> Owner:
    who = caller(request)
    if who.role < role:
        raise ForbiddenError(f"User {who.owner.user} {otherwise}.")
    return who.owner
