"""A local file that only grows, carried to its like elsewhere piece by piece."""

from __future__ import annotations

import os
from pathlib import Path

from gpuq_job.remote import Appending, Remote

_PIECE = 1024 * 1024
_PIECES_A_TURN = 8


class Appended:
    """One file. However often carrying fails, it goes on where the far file ends: its bytes are those of this one."""

    def __init__(self, local: Path, path: str) -> None:
        self.local = local
        self.path = path
        self._identity: tuple[int, int] | None = None
        self._at = 0
        self._writer: Appending | None = None

    async def carry(self, remote: Remote) -> bool:
        """Carry what is new, 8 MiB at most; return whether there was anything."""
        try:
            file = os.open(self.local, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return False  # gone, or no file
        try:
            return await self._carry(remote, file)
        except BaseException:
            self._writer = None  # who knows what became of the last piece: ask again
            raise
        finally:
            os.close(file)

    async def close(self) -> None:
        """Close the far file."""
        writer, self._writer = self._writer, None
        if writer is not None:
            await writer.close()

    async def _carry(self, remote: Remote, file: int) -> bool:
        there = os.fstat(file)
        identity = there.st_dev, there.st_ino
        if self._identity not in (None, identity) or there.st_size < self._at:
            await self._begin_anew(remote)  # another file has this name now
        self._identity = identity
        if there.st_size == self._at and (self._writer is not None or self._at > 0):
            return False
        if self._writer is None:
            self._writer, self._at = await remote.append_to(self.path)
            if self._at > there.st_size:
                await self._begin_anew(remote)
                self._writer, self._at = await remote.append_to(self.path)
        has_carried = False
        for _ in range(_PIECES_A_TURN):
            data = os.pread(file, _PIECE, self._at)
            if not data:
                break
            await self._writer.write(data)
            self._at += len(data)
            has_carried = True
        return has_carried

    async def _begin_anew(self, remote: Remote) -> None:
        await self.close()
        await remote.delete(self.path)
        self._at = 0
