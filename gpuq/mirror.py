"""A copy here of event files that are elsewhere, kept up to date while it is needed and removed afterwards."""

from __future__ import annotations

import contextlib
import os
import shutil

from gpuq.errors import GpuqError, NotFoundError
from gpuq.units import size as shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from gpuq.client import Client, Json
    from gpuq.progress import Progress

_PIECE = 4 * 1024 * 1024
MOST_BYTES = 4 * 2**30


class Mirror:
    """The event files of one attempt of a job below `folder`: gpuqd reads them, wherever they are, and sends the bytes.

    An attempt that is newer than the first one seen is taken up beside it.
    """

    def __init__(self, client: Client, job_id: int, folder: str) -> None:
        self._client = client
        self._job_id = job_id
        self._folder = folder
        self.size = 0
        """Bytes that are here."""

    def catch_up(self, most: int = MOST_BYTES) -> int:
        """Get what is new; return how many bytes that were.

        Raises:
            GpuqError: more than `most` bytes would be here then, or a file cannot be written.
        """
        told = self._client.event_files(self._job_id)
        before = self.size
        if told["files"]:
            from gpuq.progress import Progress

            with Progress(f"Copying the event files of job {self._job_id}") as progress:
                self._take(told, most, progress)
        return self.size - before

    def _take(self, told: Json, most: int, progress: Progress) -> None:
        wanted = sum(file["size"] for file in told["files"])
        for file in told["files"]:
            path = os.path.join(self._folder, f"attempt-{told['attempt']}", *_plain(file["path"]))
            with contextlib.suppress(NotFoundError):  # it has gone meanwhile
                for _ in self._append(path, told["attempt"], file["path"], file["size"], most):
                    progress.done, progress.part = shown(self.size), min(1.0, self.size / max(1, wanted))

    def _append(self, path: str, attempt: int, name: str, size: int, most: int) -> Iterator[int]:
        """Get what is new of a file, and yield after each piece how many bytes of it are here."""
        at = os.path.getsize(path) if os.path.exists(path) else 0
        if at >= size:
            return
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "ab") as file:
                while at < size:
                    limit = min(_PIECE, size - at)
                    if self.size + limit > most:
                        raise GpuqError(
                            f"The event files of job {self._job_id} are larger than the {most >> 20} MiB that are "
                            "copied at most: look at some of it with `gpuq plot`."
                        )
                    data = self._client.event_bytes(self._job_id, name, attempt=attempt, offset=at, limit=limit)
                    if not data:
                        return
                    file.write(data)
                    at += len(data)
                    self.size += len(data)
                    yield at
        except OSError as error:
            raise GpuqError(f"The copy of job {self._job_id}'s event files: {error.strerror or error}.") from error


def _plain(path: str) -> list[str]:
    """Return the parts of a path that gpuqd told, none of which leads out of a folder."""
    return [part for part in path.split("/") if part not in ("", ".", "..") and "\0" not in part]


@contextlib.contextmanager
def folder_for_now() -> Generator[str]:
    """Give an empty folder in the user's cache, gone afterwards; those that a killed gpuq has left go too."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    root = os.path.join(cache, "gpuq", "mirrors")
    try:
        os.makedirs(root, mode=0o700, exist_ok=True)
        for name in os.listdir(root):
            if name.isdecimal() and not os.path.exists(f"/proc/{name}"):
                shutil.rmtree(os.path.join(root, name), ignore_errors=True)
        folder = os.path.join(root, str(os.getpid()))
        shutil.rmtree(folder, ignore_errors=True)
        os.mkdir(folder, 0o700)
    except OSError as error:
        raise GpuqError(f"Cannot make a folder in {root}: {error.strerror or error}.") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
