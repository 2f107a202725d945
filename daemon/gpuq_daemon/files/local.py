"""Files of a kind below a folder of this machine.

Who writes below the folder is not trusted: no link is followed anywhere below it, nothing that is not a plain
file is opened, and a walk ends at fixed bounds.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from gpuq_daemon.beneath import open_folder
from gpuq_daemon.files.found import MAX_DEPTH, MAX_ENTRIES, Found, is_event_file

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK, opening a pipe that has an event file's name would wait for ever.
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WALK_EVERY = 32
_TELLING_NS = 2_000_000_000
"""Older changes of a folder than this are told by its time: clocks of file systems are coarse."""


class LocalFile:
    """A file of this machine that is open for reading."""

    __slots__ = ("descriptor",)

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return os.fstat(self.descriptor).st_size

    def read(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset`; fewer at the end of what is written, none there."""
        return os.pread(self.descriptor, size, offset)


class LocalFiles:
    """The files below one folder, which need not exist yet, whose names `is_wanted`; for one thread at a time.

    A folder that has not changed holds the same names: then each is asked for its state alone. All are walked again
    where one has changed, or has so lately that it may have changed since without its time telling, and at every 32nd
    look in any case.
    """

    trouble = None

    def __init__(
        self,
        root: Path,
        is_wanted: Callable[[str], bool] = is_event_file,
        *,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.root = root
        self._is_wanted = is_wanted
        self._now_ns = now_ns
        self._looks = 0
        self._folders: list[tuple[str, int, int]] = []  # path, inode, modification time in ns
        self._is_settled = False
        self._found: list[Found] = []
        self._paths: list[str] = []

    def find(self) -> list[Found]:
        """Return the files by path: at most `MAX_DEPTH` folders down, among `MAX_ENTRIES` entries.

        What has not changed since the last time is the same object.
        """
        self._looks += 1
        if not self._is_settled or self._looks % _WALK_EVERY == 0 or not self._stands():
            self._walk_all()
        return self._found

    def look_again(self) -> None:
        """Let the next `find` walk through all folders."""
        self._is_settled = False

    def _stands(self) -> bool:
        """Whether all folders and files are those of the last walk; what is known of the files is made new."""
        try:
            for path, inode, changed_at_ns in self._folders:
                status = os.stat(path, follow_symlinks=False)
                if status.st_mtime_ns != changed_at_ns or status.st_ino != inode:
                    return False
            self._found = [self._now(path, file) for path, file in zip(self._paths, self._found, strict=True)]
        except OSError:
            return False
        return True

    def _now(self, path: str, file: Found) -> Found:
        """Return what is known of a file now.

        Raises:
            OSError: it is gone, or another one has its place.
        """
        status = os.stat(path, follow_symlinks=False)
        if status.st_size == file.size and status.st_mtime_ns == file.changed_at_ns:
            return file
        if _identity(status) != file.identity:
            raise FileNotFoundError(path)
        return _as_found(file.parts, status)

    def _walk_all(self) -> None:
        self._folders, self._found, self._paths, self._is_settled = [], [], [], False
        try:
            root = self._open_root()
        except OSError:
            return
        found: list[Found] = []
        try:
            self._walk(root, (), found, MAX_ENTRIES)
        finally:
            os.close(root)
        self._found = sorted(found, key=lambda f: f.parts)
        self._paths = [os.path.join(self.root, *file.parts) for file in self._found]
        newest = max((at for _, _, at in self._folders), default=0)
        self._is_settled = newest < self._now_ns() - _TELLING_NS

    @contextmanager
    def open(self, file: Found) -> Generator[LocalFile | None]:
        """Give a found file opened, or None if it is gone or another one has its place."""
        descriptor = self._open(file)
        try:
            yield None if descriptor is None else LocalFile(descriptor)
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _walk(self, folder: int, parts: tuple[str, ...], found: list[Found], budget: int) -> int:
        """Add the files in and below `folder`; return how many more entries may be looked at."""
        below: list[str] = []
        status = os.fstat(folder)  # before its names are read: what comes in between changes its time
        self._folders.append((os.path.join(self.root, *parts), status.st_ino, status.st_mtime_ns))
        with os.scandir(folder) as entries:
            for entry in entries:
                budget -= 1
                if budget < 0:
                    break
                if entry.is_dir(follow_symlinks=False):
                    below.append(entry.name)
                elif self._is_wanted(entry.name) and entry.is_file(follow_symlinks=False):
                    _add(folder, (*parts, entry.name), found)
        if len(parts) >= MAX_DEPTH:
            return budget
        for name in sorted(below):
            if budget <= 0:
                break
            try:
                inner = os.open(name, _FOLDER_FLAGS, dir_fd=folder)
            except OSError:
                continue  # gone again, a link by now, or not for us
            try:
                budget = self._walk(inner, (*parts, name), found, budget)
            finally:
                os.close(inner)
        return budget

    def _open(self, file: Found) -> int | None:
        """Open one folder after the other, so that none can be swapped for a link in between."""
        *folders, name = file.parts
        try:
            at = self._open_root()
            owner = os.fstat(at).st_uid
            for folder in folders:
                at = _step(at, folder, _FOLDER_FLAGS)
            at = _step(at, name, _FILE_FLAGS)
        except OSError:
            return None
        status = os.fstat(at)
        # Somebody else's file can only be a hard link to it.
        if stat.S_ISREG(status.st_mode) and status.st_uid == owner and _identity(status) == file.identity:
            return at
        os.close(at)
        return None

    def _open_root(self) -> int:
        """Open the root, which is the owner's too: a link in its place is not followed."""
        return open_folder(self.root.parent, self.root.name)


def _step(folder: int, name: str, flags: int) -> int:
    """Open what is called `name` in `folder`, and close `folder`."""
    try:
        return os.open(name, flags, dir_fd=folder)
    finally:
        os.close(folder)


def _identity(status: os.stat_result) -> str:
    return f"{status.st_dev}:{status.st_ino}"


def _add(folder: int, parts: tuple[str, ...], found: list[Found]) -> None:
    try:
        status = os.stat(parts[-1], dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return
    found.append(_as_found(parts, status))


def _as_found(parts: tuple[str, ...], status: os.stat_result) -> Found:
    return Found(
        parts=parts,
        identity=_identity(status),
        size=status.st_size,
        changed_at_ns=status.st_mtime_ns,
    )
