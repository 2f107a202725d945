"""Files of a kind below a folder of an object store (s3://, gs://), where a file is there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from typing import Any

from gpuq_daemon.files.copied import copied
from gpuq_daemon.files.found import MAX_ENTRIES, FilesError, Found, OneFileError, is_event_file

fs: Any = import_module("pyarrow.fs")  # it has no types
_WRONG: tuple[type[Exception], ...] = (OSError, import_module("pyarrow").ArrowException)


class ArrowFile:
    """An object that is open for reading."""

    def __init__(self, name: str, store: Any, path: str, size: int) -> None:
        self._name = name
        self._path = path
        self._copy: int | None = None
        self.size = size
        self._file = store.open_input_file(path)

    @property
    def descriptor(self) -> int:
        """A copy of it on this machine, made now, gone when it is closed.

        Raises:
            OneFileError: it is too large for that.
        """
        if self._copy is None:
            self._copy = copied(self.read, self.size, f"{self._name}: {self._path}")
        return self._copy

    def read(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset`; fewer at the object's end, none there."""
        if offset >= self.size:
            return b""
        try:
            return self._file.read_at(min(size, self.size - offset), offset)
        except _WRONG as error:
            raise OneFileError(f"{self._name}: {self._path} cannot be read ({error}).") from error

    def close(self) -> None:
        """Close it and give its copy back."""
        self._file.close()
        if self._copy is not None:
            os.close(self._copy)


class ArrowFiles:
    """The objects below one folder whose names `is_wanted`. What is written anew under a name is another file."""

    def __init__(self, name: str, store: Any, root: str, is_wanted: Callable[[str], bool] = is_event_file) -> None:
        self._name = name
        self._store = store
        self._root = root.strip("/")
        self._is_wanted = is_wanted

    def find(self) -> list[Found]:
        """Return the objects by path.

        Raises:
            FilesError: the store does not answer.
        """
        try:
            infos = self._store.get_file_info(fs.FileSelector(self._root, allow_not_found=True, recursive=True))
        except _WRONG as error:
            raise FilesError(f"{self._name} does not answer ({error}).") from error
        found = [_found(self._root, info) for info in infos[:MAX_ENTRIES] if info.type == fs.FileType.File]
        return sorted((each for each in found if self._is_wanted(each.parts[-1])), key=lambda each: each.parts)

    trouble = None

    def look_again(self) -> None:
        """Nothing is known here: each `find` asks."""

    @contextmanager
    def open(self, file: Found) -> Generator[ArrowFile | None]:
        """Give a found object opened, or None if it is gone."""
        try:
            opened = ArrowFile(self._name, self._store, "/".join((self._root, *file.parts)), file.size)
        except FileNotFoundError:
            yield None
            return
        except _WRONG as error:
            raise FilesError(f"{self._name} does not answer ({error}).") from error
        try:
            yield opened
        finally:
            opened.close()


def object_store(scheme: str, deadline_s: float) -> Any:
    """Return the store of s3:// or gs:// addresses, as its own environment variables set it up."""
    if scheme == "s3":
        return fs.S3FileSystem(
            endpoint_override=os.environ.get("AWS_ENDPOINT_URL"),
            connect_timeout=deadline_s,
            request_timeout=deadline_s,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=1),
        )
    return fs.GcsFileSystem(retry_time_limit=timedelta(seconds=deadline_s))


def _found(root: str, info: Any) -> Found:
    changed_at_ns = int(info.mtime_ns or 0)
    return Found(
        parts=tuple(info.path.removeprefix(root).strip("/").split("/")),
        identity=str(changed_at_ns),
        size=int(info.size),
        changed_at_ns=changed_at_ns,
    )
