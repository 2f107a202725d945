"""Whose jobs gpuqd starts, and as which Unix user.

Source: Slurm's DisableRootJobs; `min.user.id` of Hadoop's LinuxContainerExecutor.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the preflight comes here before anything is installed that reads a configuration
    from gpuq_daemon.config import OwnersTable


@dataclass(frozen=True, slots=True, kw_only=True)
class UnixUser:
    """A user as the machine knows them."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str

    @property
    def words(self) -> dict[str, str]:
        """What a login would put into the environment."""
        return {"HOME": self.home, "USER": self.name, "LOGNAME": self.name, "SHELL": self.shell}

    def groups(self) -> tuple[int, ...]:
        """Return all groups of the user, `gid` among them; a directory service may take its time to answer."""
        return tuple(sorted({*os.getgrouplist(self.name, self.gid), self.gid}))


def lookup(uid: int) -> UnixUser | None:
    """Return the user with this uid, None if there is none (any more)."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return None
    return UnixUser(
        name=entry.pw_name,
        uid=uid,
        gid=entry.pw_gid,
        home=entry.pw_dir or "/",
        shell=entry.pw_shell or "/bin/sh",
    )


def refusal(rules: OwnersTable, name: str, uid: int, found: UnixUser | None, *, daemon: UnixUser) -> str | None:
    """Return why a user's jobs are not run, in one sentence, or None.

    `found` is who has the uid now; a job that was queued as `name` is never run as somebody else. A login shell that
    refuses logins does not matter, as it does not to Slurm: no shell is started, and service users have such a one.
    """
    if daemon.uid != 0:
        if uid == daemon.uid or rules.run_as_gpuqd:
            return None
        return (
            f"This gpuqd runs as {daemon.name}, so it starts {daemon.name}'s jobs only, not {name}'s: its operator "
            "can run it as root, or let it run all jobs as itself with run_as_gpuqd = true in [owners]."
        )
    if uid == 0:
        if rules.allow_root_jobs:
            return None
        return "Jobs of root are not run: queue them as yourself, or set allow_root_jobs = true in [owners]."
    if found is None:
        return f"There is no user {uid} on gpuqd's machine, so nothing can be run for {name}: add the user there."
    if found.name != name:
        return f"User {uid} is {found.name} on gpuqd's machine, so nothing can be run for {name}: give both one uid."
    if uid < rules.min_uid:
        return (
            f"Jobs of {name} are not run: uid {uid} is below min_uid = {rules.min_uid} in [owners], where system "
            "users are. Queue them as yourself, or set it lower."
        )
    return None


def may_reach(path: Path, user: UnixUser, *, look: Callable[[Path], os.stat_result] = os.stat) -> str | None:
    """Return what keeps a user from reading `path`, with the remedy, or None.

    Where a folder has an access control list, that may open it after all: it is taken to.
    """
    places = [*reversed(path.parents), path]
    real = path.resolve()
    places += [*reversed(real.parents), real] if real != path else []
    for place in places:
        try:
            status = look(place)
        except OSError as error:
            return f"{place} cannot be read ({error.strerror})"
        needed = 0o4 if stat.S_ISREG(status.st_mode) else 0o1
        if _lacks(status, user, needed) and not _has_list(place):
            return f"{place} is closed to {user.name} (mode {stat.S_IMODE(status.st_mode):04o}): `chmod o+rx {place}`"
    return None


def _lacks(status: os.stat_result, user: UnixUser, needed: int) -> bool:
    mode = status.st_mode
    if status.st_uid == user.uid:
        return needed & ~(mode >> 6) != 0
    as_group, as_other = needed & ~(mode >> 3) != 0, needed & ~mode != 0
    if as_group == as_other:
        return as_other
    return as_group if status.st_gid in user.groups() else as_other


def _has_list(place: Path) -> bool:
    try:
        return "system.posix_acl_access" in os.listxattr(place)
    except OSError:
        return False
