"""Removes folders that belong to users, in small steps, and never anything outside of them.

gpuqd may be root, and the owner may change what is in the folder while it is removed: put links there, others' folders
(moved to there from where everybody may write), mounts, or folders in folders without end. So every step names a file
by the open folder that it is in, follows no link, and goes into no folder of somebody else or of another file system;
deep folders are moved up instead of gone down into.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from enum import Enum, auto
from itertools import islice
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Progress(Enum):
    """How far a removal has come."""

    GONE = auto()  # nothing is there
    MORE = auto()  # something was removed, something is left
    STUCK = auto()  # what is left cannot be removed, or is not to be


def remove_some(parent: Path, name: str, *, uid: int, most: int = 1000) -> Progress:
    """Remove up to `most` entries of a folder, then it itself.

    `parent` is gpuqd's own, `uid` whom the folder was given to; folders in it of anybody else are left.
    """
    try:
        above = os.open(parent, _FOLDER)
    except FileNotFoundError:
        return Progress.GONE
    with _closing(above):
        return _Removal(above, name, uid, most).step()


class _Removal:
    def __init__(self, above: int, name: str, uid: int, most: int) -> None:
        self._above, self._name, self._uid = above, name, uid
        self._most = self._left = most

    def step(self) -> Progress:
        try:
            top = _open(self._name, self._above)
        except FileNotFoundError:
            return Progress.GONE
        except OSError:  # a link, or a plain file, in the place of the folder: it goes, what it names does not
            return Progress.GONE if self._unlink(self._name, self._above) else Progress.STUCK
        with _closing(top):
            there = os.fstat(top)
            self._device, self._owners = there.st_dev, {there.st_uid, self._uid}
            self._empty(top)
        with contextlib.suppress(OSError):
            os.rmdir(self._name, dir_fd=self._above)
            return Progress.GONE
        return Progress.MORE if self._left < self._most else Progress.STUCK

    def _empty(self, top: int) -> None:
        """Remove entries of `top` until none is left that can be, or enough was done."""
        before = -1
        while self._left > 0 and self._left != before:
            before = self._left
            for name, is_folder in _entries(top, self._left):
                if is_folder:
                    with contextlib.suppress(OSError):
                        self._flatten(name, top)
                else:
                    self._unlink(name, top)

    def _flatten(self, name: str, top: int) -> None:
        """Remove a folder in `top`; folders in it are moved up to `top`."""
        below = _open(name, top)
        with _closing(below):
            there = os.fstat(below)
            if there.st_dev != self._device or there.st_uid not in self._owners:
                return
            for each, is_folder in _entries(below, self._left):
                if is_folder:
                    self._move_up(each, below, top)
                else:
                    self._unlink(each, below)
        os.rmdir(name, dir_fd=top)
        self._left -= 1

    def _move_up(self, name: str, below: int, top: int) -> None:
        with contextlib.suppress(OSError):
            if os.geteuid():
                os.chmod(name, 0o700, dir_fd=below)  # else it cannot be moved; it is this user's own, or this fails
            number = os.stat(name, dir_fd=below, follow_symlinks=False).st_ino
            os.rename(name, f".removed-{number}", src_dir_fd=below, dst_dir_fd=top)
            self._left -= 1

    def _unlink(self, name: str, folder: int) -> bool:
        try:
            os.unlink(name, dir_fd=folder)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        self._left -= 1
        return True


def _open(name: str, folder: int) -> int:
    """Open a folder in a folder; as its owner, make it one that can be emptied first."""
    try:
        opened = os.open(name, _FOLDER, dir_fd=folder)
    except PermissionError:
        if not os.geteuid():
            raise
        os.chmod(name, 0o700, dir_fd=folder)
        opened = os.open(name, _FOLDER, dir_fd=folder)
    if os.geteuid():
        with contextlib.suppress(OSError):
            os.fchmod(opened, 0o700)
    return opened


def _entries(folder: int, most: int) -> list[tuple[str, bool]]:
    """Return up to `most` names in a folder, each with whether it is a folder (a link to one is not)."""
    with os.scandir(folder) as entries:
        return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in islice(entries, max(0, most))]


@contextlib.contextmanager
def _closing(descriptor: int) -> Generator[None]:
    try:
        yield
    finally:
        os.close(descriptor)
