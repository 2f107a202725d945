"""Makes the folders of jobs and attempts, and hands them to the job's owner.

gpuqd fills a folder while it is gpuqd's alone, and gives it away last; afterwards it writes nothing there. As root its
own folders can be passed through by everybody and listed by nobody; what an owner is given is closed to all others.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from gpuq.errors import GpuqError
from gpuq_daemon.owners import UnixUser
from gpuq_daemon.places import Place

_PRIVATE, _PASSABLE, _LISTED = 0o700, 0o711, 0o755


class FolderError(GpuqError):
    """A folder cannot be used as one of gpuqd's own."""


def make(place: Place, *, is_shared: bool) -> None:
    """Make an attempt's folders anew, for gpuqd alone until `hand_over`; what was half made before is removed.

    `is_shared`: others than gpuqd's own user are to reach what they will be given.

    Raises:
        FolderError: others can write where gpuqd's own folders are.
        OSError: one cannot be made.
    """
    for folder in (place.job.parent, place.scratch.parent):
        _make_own(folder, _PASSABLE if is_shared else _PRIVATE)
    _make_own(place.job, _LISTED if is_shared else _PRIVATE)
    for folder in (place.folder, place.scratch):
        if os.path.lexists(folder):
            shutil.rmtree(folder)
        folder.mkdir(mode=_PRIVATE)
    for folder in (place.folder / "logs", place.folder / "script", place.events):
        folder.mkdir(mode=_PRIVATE)
    place.checkpoints.mkdir(mode=_PRIVATE, exist_ok=True)
    place.control.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)


def hand_over(place: Place, owner: UnixUser) -> None:
    """Give an attempt's folders, with what is in them, to the job's owner, and to nobody else."""
    for folder in (place.scratch, place.folder):
        for at, _, files, descriptor in os.fwalk(folder, topdown=False):
            for name in files:
                os.chown(name, owner.uid, owner.gid, dir_fd=descriptor, follow_symlinks=False)
            os.fchown(descriptor, owner.uid, owner.gid)
            del at
    # The job's folder is gpuqd's, so nobody can have put another in the place of the checkpoints.
    os.chown(place.checkpoints, owner.uid, owner.gid, follow_symlinks=False)


def _make_own(folder: Path, mode: int) -> None:
    """Make a folder, or take one that is there if it is gpuqd's own and closed to others' changes."""
    folder.mkdir(parents=True, exist_ok=True, mode=_PRIVATE)
    there = folder.lstat()
    if there.st_uid != os.getuid() or there.st_mode & 0o022 or not stat.S_ISDIR(there.st_mode):
        raise FolderError(f"others can write to {folder}: give gpuqd a folder of its own there")
    if stat.S_IMODE(there.st_mode) & mode != mode:
        folder.chmod(stat.S_IMODE(there.st_mode) | mode)
