"""The state folder: a private one on a disk of this machine, held by one process at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import TextIO

from gpuq.errors import UsageError
from gpuq_daemon.config import Config

# SQLite's write-ahead log needs memory that all its users share, and locks that hold: file systems that may be
# mounted by two machines give neither. Source: sqlite.org/wal.html; the names are those of proc(5) mountinfo.
_NETWORK = frozenset(
    (
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "gpfs", "beegfs", "ceph", "afs", "glusterfs", "9p"),
        *("orangefs", "pvfs2", "ocfs2", "gfs2", "coda", "panfs"),
    )
)

UNFINISHED_RESTORE = "restore-unfinished"  # there while a restore changes what lies in the state folder


@contextlib.contextmanager
def held(config: Config, *, for_restore: bool = False) -> Generator[None]:
    """Make the state folder if it is missing and hold it for this process alone, until the end of the block.

    Raises:
        UsageError: it is not private, on a network file system, or another gpuqd holds it; or a restore was cut off,
            and this is none.
    """
    make_private(config.state)
    refuse_network(config)
    with locked(config.state / "gpuqd.lock"):
        if (config.state / UNFINISHED_RESTORE).exists() and not for_restore:
            raise UsageError(
                f"A `gpuqd restore` into {config.state} was cut off half-way: run it again. "
                "What was there before is in before-restore-1 (or the newest of that name) below it."
            )
        for left in config.state.glob(".restore-*"):  # of one that was killed: nobody else holds the state
            shutil.rmtree(left, ignore_errors=True)
        yield


def make_private(folder: Path) -> None:
    """Make the state folder; one that is there must be this user's own, and closed to others' changes.

    As root it is opened for passing through, since others' jobs and the socket may be below it; what is gpuqd's own
    in it is made under a umask that closes it to all others.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        there = folder.stat()
    except (OSError, ValueError) as error:
        raise UsageError(f"Cannot use the state folder {str(folder)!a}: {error}.") from error
    if there.st_uid != os.getuid() or there.st_mode & 0o022:
        raise UsageError(f"Others can write to the state folder {folder}: name one of gpuqd's own.")
    if os.geteuid() == 0:
        folder.chmod(stat.S_IMODE(there.st_mode) | 0o111)
        for own in (*folder.glob("*.db*"), *folder.glob("gpuqd.lo*")):
            own.chmod(0o600)


def refuse_network(config: Config) -> None:
    """Refuse a state folder that other machines may use too.

    Raises:
        UsageError: it is on a network file system, and the configuration does not allow that.
    """
    if config.allow_network_state:
        return
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as stream:
        found = network_type(stream, os.stat(config.state).st_dev)
    if found is not None:
        raise UsageError(
            f"The state folder {config.state} is on a network file system ({found}), where databases break: "
            "name one on a local disk, or set allow_network_state = true and have backups."
        )


def network_type(mountinfo: Iterable[str], device: int) -> str | None:
    """Return the type of the file system with this device number if it is a network's, else None.

    Source: proc(5), /proc/pid/mountinfo: the third field is major:minor, the one after the lone `-` the type.
    """
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in mountinfo:
        words = line.split()
        if len(words) > 2 and words[2] == wanted and "-" in words[:-1]:
            kind = words[words.index("-") + 1]
            return kind if kind in _NETWORK or kind.startswith("fuse.") else None
    return None


@contextlib.contextmanager
def locked(path: Path) -> Generator[None]:
    """Hold the state for this process alone; the kernel lets go when it ends, however it ends.

    Raises:
        UsageError: another gpuqd holds it.
    """
    file: TextIO
    try:
        file = path.open("a+")
    except OSError as error:
        raise UsageError(f"Cannot lock the state with {path}: {error.strerror}.") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            pid = file.read(32).strip() or "unknown"
            raise UsageError(
                f"Another gpuqd (pid {pid}) uses the state in {path.parent}: "
                "stop it, or give this one a state_dir of its own."
            ) from error
        with contextlib.suppress(OSError):  # a full disk: the lock holds all the same
            os.ftruncate(file.fileno(), 0)
            os.write(file.fileno(), f"{os.getpid()}\n".encode())
        yield
