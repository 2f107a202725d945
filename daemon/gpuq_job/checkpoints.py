"""The checkpoints of a job, carried elsewhere whole and verified, and brought back from there."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import zlib
from collections.abc import Generator
from pathlib import Path
from typing import Any

from gpuq_job.remote import Remote, RemoteError

_PIECE = 1024 * 1024
_MOST_FILES = 20_000
_LONGEST_MANIFEST = 16 * 2**20

Look = tuple[int, int]  # bytes, modification time in ns


class Checkpoints:
    """The files of a folder, as rank `rank` carries them. A manifest beside them says how long each is and its CRC32.

    A file is carried once it has not changed between two looks, under another name; it is read again, and only then
    gets its own. What a checkpoint is known by (`checkpoint`, `*.index`) comes after what it is made of.
    """

    def __init__(self, folder: Path, path: str, rank: int) -> None:
        self._folder = folder
        self._path = path
        self._rank = rank
        self._carried: dict[str, dict[str, int]] = {}
        self._seen: dict[str, Look] = {}

    async def carry(self, remote: Remote, *, is_last: bool) -> bool:
        """Carry what is new and whole, and remove what was removed here; return whether there was anything.

        With `is_last` nobody writes any more, so that all is whole.
        """
        there = _files(self._folder)
        has_carried = False
        for name in sorted(there, key=_order):
            is_known = _look_of(self._carried.get(name)) == there[name]
            if not is_known and (is_last or self._seen.get(name) == there[name]):
                has_carried = await self._carry_file(remote, name, there[name]) or has_carried
        for name in [name for name in self._carried if name not in there]:
            await remote.delete(f"{self._path}/{name}")
            del self._carried[name]
            has_carried = True
        self._seen = there
        if has_carried:
            await self._write_manifest(remote)
        return has_carried

    async def take_up(self, remote: Remote) -> None:
        """Learn what is there already."""
        self._carried = await _manifest(remote, self._manifest_path(self._rank))

    async def bring_back(self, remote: Remote, ranks: int) -> int:
        """Get what is missing here; return how many files that were.

        Raises:
            RemoteError: a file is not as it was carried there.
        """
        count = 0
        self._folder.mkdir(parents=True, exist_ok=True)
        with _alone(self._folder / ".gpuq-brings-back"):
            for rank in range(ranks):
                kept = await _manifest(remote, self._manifest_path(rank))
                for name in sorted(kept, key=_order):
                    if not (self._folder / name).exists():
                        await self._bring_file(remote, name, kept[name])
                        count += 1
        return count

    def _manifest_path(self, rank: int) -> str:
        return f"{self._path}/.gpuq-manifest-{rank}.json"

    async def _carry_file(self, remote: Remote, name: str, look: Look) -> bool:
        draft = f"{self._path}/.gpuq-draft-{self._rank}"
        try:
            file = os.open(self._folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            size, crc = await _upload(remote, draft, file)
            status = os.fstat(file)
        finally:
            os.close(file)
        if (size, status.st_mtime_ns) != look or status.st_size != size:
            return False  # it has changed meanwhile: another time
        if await _checked(remote, draft) != (size, crc):
            raise RemoteError(f"{name} has arrived damaged")
        await remote.rename(draft, f"{self._path}/{name}")
        self._carried[name] = {"bytes": size, "crc32": crc, "changed_at_ns": look[1]}
        return True

    async def _bring_file(self, remote: Remote, name: str, said: dict[str, int]) -> None:
        target = self._folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.gpuq-draft")
        size = crc = 0
        with draft.open("wb") as file:
            while data := await remote.read(f"{self._path}/{name}", size, _PIECE):
                file.write(data)
                size, crc = size + len(data), zlib.crc32(data, crc)
        if (size, crc) != (said["bytes"], said["crc32"]):
            draft.unlink()
            raise RemoteError(f"checkpoint file {name} is not as it was carried there: it is left out")
        os.utime(draft, ns=(said["changed_at_ns"], said["changed_at_ns"]))
        draft.replace(target)

    async def _write_manifest(self, remote: Remote) -> None:
        draft = f"{self._path}/.gpuq-manifest-draft-{self._rank}"
        writer = await remote.create(draft)
        await writer.write(json.dumps(self._carried).encode())
        await writer.close()
        await remote.rename(draft, self._manifest_path(self._rank))


def _order(name: str) -> tuple[int, str]:
    base = name.rpartition("/")[2]
    return (2 if base == "checkpoint" else 1 if base.endswith(".index") else 0), name


def _files(folder: Path) -> dict[str, Look]:
    """Return the files below a folder that are part of a checkpoint, as they look now."""
    found: dict[str, Look] = {}
    for where, _, names in os.walk(folder):
        for name in names:
            path = Path(where, name)
            if name.startswith(".") or "tempstate" in name or len(found) >= _MOST_FILES:
                continue
            with contextlib.suppress(OSError):
                status = path.lstat()
                if path.is_file() and not path.is_symlink():
                    found[path.relative_to(folder).as_posix()] = status.st_size, status.st_mtime_ns
    return found


def _look_of(carried: dict[str, int] | None) -> Look | None:
    return None if carried is None else (carried["bytes"], carried["changed_at_ns"])


async def _upload(remote: Remote, path: str, file: int) -> tuple[int, int]:
    writer = await remote.create(path)
    size = crc = 0
    while data := os.pread(file, _PIECE, size):
        await writer.write(data)
        size, crc = size + len(data), zlib.crc32(data, crc)
        await asyncio.sleep(0)
    await writer.close()
    return size, crc


async def _checked(remote: Remote, path: str) -> tuple[int, int]:
    size = crc = 0
    while data := await remote.read(path, size, _PIECE):
        size, crc = size + len(data), zlib.crc32(data, crc)
    return size, crc


async def _manifest(remote: Remote, path: str) -> dict[str, dict[str, int]]:
    text = bytearray()
    try:
        while len(text) < _LONGEST_MANIFEST and (data := await remote.read(path, len(text), _PIECE)):
            text += data
    except FileNotFoundError:
        return {}
    said: dict[str, dict[str, Any]] = json.loads(text)
    return {
        name: {key: int(one[key]) for key in ("bytes", "crc32", "changed_at_ns")}
        for name, one in said.items()
        if ".." not in name.split("/") and not name.startswith("/")
    }


@contextlib.contextmanager
def _alone(path: Path) -> Generator[None]:
    """Let no other rank of this host into the block."""
    lock = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
