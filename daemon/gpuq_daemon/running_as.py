"""Whether this gpuqd can and may run a user's jobs, asked when they are queued and again when they start."""

from __future__ import annotations

import os
from collections.abc import Mapping

from gpuq_daemon import owners
from gpuq_daemon.backends.base import Engine
from gpuq_daemon.config import Config
from gpuq_daemon.owners import UnixUser
from gpuq_daemon.store.jobs import Owner


class RunningAs:
    """What the configuration, the user database and the modes of files say of a user's jobs."""

    def __init__(self, config: Config, engines: Mapping[str, Engine]) -> None:
        self._config = config
        self._engines = engines
        own = os.geteuid()
        self._daemon = owners.lookup(own) or UnixUser(
            name=str(own), uid=own, gid=os.getegid(), home="/", shell="/bin/sh"
        )

    def refusal(self, owner: Owner, partition: str) -> str | None:
        """Return why the user's jobs are not run in the partition, in one sentence with the remedy, or None."""
        found = owners.lookup(owner.uid)
        refused = owners.refusal(self._config.owners, owner.user, owner.uid, found, daemon=self._daemon)
        if refused is not None or self._daemon.uid != 0 or found is None or found.uid == 0:
            return refused
        return self._out_of_reach(found, partition)

    def _out_of_reach(self, user: UnixUser, partition: str) -> str | None:
        """Return which file the user's processes would need and cannot read."""
        own = (self._config.jobs, self._config.scratch)
        for path in (*(place.parent for place in own), *self._engines[partition].needs()):
            closed = owners.may_reach(path, user)
            if closed is not None:
                return f"Nothing can be run for {user.name}: {closed}, or have gpuqd use another one."
        return None
