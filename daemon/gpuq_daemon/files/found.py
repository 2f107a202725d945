"""What every file system gives: files that were found, and one that is open."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from gpuq.errors import UnavailableError

EVENT_FILE_PREFIX = "events.out.tfevents."
MAX_DEPTH = 8
MAX_ENTRIES = 20_000


class FilesError(UnavailableError):
    """A file system does not do now what it was asked; the message names it and says what is wrong with it."""


class OneFileError(FilesError):
    """The same of one file or folder alone; the rest of its file system may be well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file: its folders below the root and its name, and what its file system says about it.

    `identity` is the file's own, whatever its name is; `changed_at_ns` is its modification time. While the file may be
    longer than `size`, as one on HDFS that is still written, `probe` is not 0 and changes when it is worth a look.
    """

    parts: tuple[str, ...]
    identity: str
    size: int
    changed_at_ns: int
    probe: int = 0


class OpenFile(Protocol):
    """A file that is open for reading."""

    @property
    def descriptor(self) -> int:
        """An open file of this machine with the same bytes."""
        ...

    @property
    def size(self) -> int:
        """Bytes written so far."""
        ...

    def read(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset`; fewer at the end of what is written, none there."""
        ...


class Files(Protocol):
    """The files of a kind below one folder. Methods block."""

    def find(self) -> list[Found]:
        """Return the files by path; none where the folder does not exist.

        Raises:
            FilesError: the file system cannot be asked now.
        """
        ...

    @property
    def trouble(self) -> str | None:
        """What hinders their writers though they can be read, in a sentence; None while all is well."""
        ...

    def look_again(self) -> None:
        """Let the next `find` trust nothing that it knows: nobody writes any more."""
        ...

    def open(self, file: Found) -> AbstractContextManager[OpenFile | None]:
        """Give a found file opened, or None if it is gone or another one has its place."""
        ...


def is_event_file(name: str) -> bool:
    """Whether a file of this name holds events."""
    return name.startswith(EVENT_FILE_PREFIX)
