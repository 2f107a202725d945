"""Who may change what all jobs are ruled by."""

from __future__ import annotations

import os
from typing import Any

from litestar import Request

from gpuq.errors import ForbiddenError
from gpuq_daemon.api.peer import owner
from gpuq_daemon.store.jobs import Owner


def may_administer(who: Owner) -> bool:
    """Return whether `who` is an administrator: root, or the user that gpuqd itself runs as."""
    return who.uid in (0, os.geteuid())


def administrator(request: Request[Any, Any, Any]) -> Owner:
    """Return who asks, if that is an administrator.

    Raises:
        ForbiddenError: it is not.
    """
    who = owner(request)
    if not may_administer(who):
        raise ForbiddenError(
            f"User {who.user} may not administer this cluster: ask root, or the user that gpuqd runs as, to do it."
        )
    return who
