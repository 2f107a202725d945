"""The process beside a rank that carries what it writes to the job's log address.

It is told what to carry by its one word, JSON, and that the rank has ended by the end of its standard input: so it ends
a rank's story also where that was killed. Nothing in here can hold up or end a training.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from gpuq_job.appended import Appended
from gpuq_job.checkpoints import Checkpoints
from gpuq_job.remote import Remote, open_remote

_LOOK_S = 0.2
_CHECKPOINTS_S = 1.0
_OTHERS_AFTER_S = 10.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 5.0
_GIVE_UP_S = 20.0
_MOST_FILES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cargo:
    """What a rank's carrier carries: local folders and files, and where below `uri` they go."""

    uri: str
    rank: int
    ranks: int
    events: str
    events_to: str
    log: str
    log_to: str
    checkpoints: str
    is_later: bool  # an attempt before this one may have left checkpoints there


class Carrier:
    """Carries event files and the log as they grow, and checkpoints as they are whole, until the rank has ended."""

    def __init__(self, cargo: Cargo, remote: Remote) -> None:
        self._cargo = cargo
        self._remote = remote
        self._files: dict[Path, Appended] = {}
        self._checkpoints = Checkpoints(Path(cargo.checkpoints), "checkpoints", cargo.rank)
        self._over = asyncio.Event()
        self._moved_at = time.monotonic()
        self._began_at = time.monotonic()
        self._lock: int | None = None
        self._has_taken_up = not cargo.is_later

    async def run(self) -> int:
        """Carry until all is carried after the rank's end; 1 if that cannot be done."""
        asyncio.get_running_loop().add_reader(0, self._heard)
        done = await asyncio.gather(
            self._again_and_again(self._carry_growing, _LOOK_S),
            self._again_and_again(self._carry_checkpoints, _CHECKPOINTS_S),
        )
        for file in self._files.values():
            with contextlib.suppress(OSError, TimeoutError):
                await file.close()
        return 0 if all(done) else 1

    def _heard(self) -> None:
        if not os.read(0, 4096):
            asyncio.get_running_loop().remove_reader(0)
            self._moved_at = time.monotonic()
            self._over.set()

    async def _again_and_again(self, carry: Callable[[bool], Awaitable[bool]], every_s: float) -> bool:
        """Return True when the rank has ended and nothing is left to carry; False when that does not succeed."""
        pause_s, told = _FIRST_PAUSE_S, ""
        while True:
            is_last = self._over.is_set()
            try:
                has_moved = await carry(is_last)
            except (OSError, TimeoutError, ValueError) as error:
                told = self._tell(error, told)
                if is_last and time.monotonic() - self._moved_at > _GIVE_UP_S:
                    return False
                await self._wait(pause_s, is_last=is_last)
                pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)
                continue
            if told:
                print(f"gpuq: files are carried to {self._cargo.uri} again", file=sys.stderr, flush=True)
            pause_s, told = _FIRST_PAUSE_S, ""
            if has_moved:
                self._moved_at = time.monotonic()
            elif is_last:
                return True
            if not is_last:
                await self._wait(every_s, is_last=False)

    async def _wait(self, for_s: float, *, is_last: bool) -> None:
        """Wait so long, or until the rank ends."""
        if is_last:
            await asyncio.sleep(min(for_s, 1.0))
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), for_s)

    def _tell(self, error: Exception, told: str) -> str:
        why = "it is too slow" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
        if why != told:
            print(f"gpuq: files are not carried to {self._cargo.uri} now: {why}", file=sys.stderr, flush=True)
        return why

    async def _carry_growing(self, is_last: bool) -> bool:
        for path in _below(Path(self._cargo.events)):
            to = f"{self._cargo.events_to}/{path.relative_to(self._cargo.events).as_posix()}"
            self._files.setdefault(path, Appended(path, to))
        log, to = Path(self._cargo.log), self._cargo.log_to
        streams = log.with_suffix(".streams")
        self._files.setdefault(log, Appended(log, to))
        self._files.setdefault(streams, Appended(streams, to.removesuffix(log.suffix) + streams.suffix))
        moved = [await file.carry(self._remote) for file in list(self._files.values())]
        return any(moved)

    async def _carry_checkpoints(self, is_last: bool) -> bool:
        if not self._is_mine():
            return False
        if not self._has_taken_up:
            await self._checkpoints.take_up(self._remote)
            self._has_taken_up = True
        return await self._checkpoints.carry(self._remote, is_last=is_last)

    def _is_mine(self) -> bool:
        """Whether the checkpoints on this host are this rank's to carry: rank 0's, or those where that is not."""
        if self._lock is None:
            if self._cargo.rank != 0 and time.monotonic() - self._began_at < _OTHERS_AFTER_S:
                return False
            try:
                flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
                lock = os.open(Path(self._cargo.checkpoints, ".gpuq-carrier"), flags, 0o600)
            except OSError:
                return self._cargo.rank == 0
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(lock)
                return self._cargo.rank == 0
            self._lock = lock
        return True


def _below(folder: Path) -> list[Path]:
    """Return the plain files below a folder, no link among them."""
    found: list[Path] = []
    for where, _, names in os.walk(folder):
        found += [Path(where, name) for name in sorted(names)]
        if len(found) > _MOST_FILES:
            break
    return found[:_MOST_FILES]


async def _bring_back(cargo: Cargo) -> int:
    checkpoints = Checkpoints(Path(cargo.checkpoints), "checkpoints", cargo.rank)
    count = await checkpoints.bring_back(open_remote(cargo.uri, os.environ), cargo.ranks)
    if count:
        print(f"gpuq: brought back {count} files of checkpoints from {cargo.uri}", file=sys.stderr, flush=True)
    return 0


async def _carry(cargo: Cargo) -> int:
    return await Carrier(cargo, open_remote(cargo.uri, os.environ)).run()


def main() -> int:
    """Carry, or with a first word `bring-back` get checkpoints that are missing here."""
    cargo = Cargo(**json.loads(sys.argv[-1]))
    try:
        return asyncio.run((_bring_back if "bring-back" in sys.argv else _carry)(cargo))
    except (OSError, TimeoutError, ValueError) as error:
        print(f"gpuq: {cargo.uri}: {error or type(error).__name__}", file=sys.stderr, flush=True)
        return 1


def run() -> NoReturn:
    """Carry, and end at once: threads of the library abort a Python that ends while they look for a lost NameNode."""
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    run()
