"""Applications that stand by for a job that has not come yet: started, taken once, ended.

Each is led by a shim of its own, as an attempt is, and known by a token of its own. `standing` has a note of each that
can be taken, and to take one is to rename its note into `taken`, under the token of the attempt: that happens once,
whoever asks at the same time and whenever gpuqd is killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import msgspec

from gpuq_daemon import folders, processes, shim
from gpuq_daemon.backends import leftovers
from gpuq_daemon.backends.base import Attempt, Command, Engine
from gpuq_daemon.backends.engine_record import write_private
from gpuq_daemon.backends.notes import checked
from gpuq_daemon.owners import UnixUser
from gpuq_daemon.places import Place

_END_S = 1.0
_NO_JOB = 0

Key: TypeAlias = tuple[int, int, int, tuple[tuple[str, int], ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a standby can be taken for: one user's jobs of so many workers. `owner` None is gpuqd's own user.

    Where Spark hands out GPUs, those of a worker and of each node count as well; else there are none.
    """

    owner: UnixUser | None
    workers: int
    gpus_per_worker: int = 0
    gpus_by_node: tuple[tuple[str, int], ...] = ()

    @property
    def uid(self) -> int:
        """The user's number."""
        return os.geteuid() if self.owner is None else self.owner.uid

    @property
    def key(self) -> Key:
        """What two of a kind have in common."""
        return self.uid, self.workers, self.gpus_per_worker, self.gpus_by_node


class Standby(msgspec.Struct, frozen=True, kw_only=True):
    """One that stands by, or did when an attempt took it."""

    token: str
    key: Key
    started_at: float
    job: str
    scratch: str
    control: str

    @property
    def uid(self) -> int:
        """The user that it runs as."""
        return self.key[0]

    @property
    def folder(self) -> Path:
        """Where its own files are."""
        return Path(self.job) / "1"

    @property
    def socket(self) -> Path:
        """Where it listens as soon as it is warm."""
        return Path(self.scratch) / "standby"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Where files of standbys are to be, and under what their processes run: as it is for jobs."""

    folder: Path
    jobs: Path
    scratch: Path
    grace_s: float
    limits: Mapping[str, int]


class Standbys:
    """The standbys of one engine, on disk and as processes."""

    def __init__(self, engine: Engine, around: Surroundings) -> None:
        self._engine = engine
        self._around = around
        self._standing = around.folder / "standing"
        self._taken = around.folder / "taken"
        self._shims: dict[str, subprocess.Popen[bytes]] = {}

    def make(self) -> None:
        """Make the folders."""
        for folder in (self._standing, self._taken):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def standing(self) -> list[Standby]:
        """Return those that can be taken, the oldest first."""
        for started in tuple(self._shims.values()):
            started.poll()  # a shim that has ended must not stay a zombie
        found = [self._read(path) for path in self._standing.glob("*.json")]
        return sorted((one for one in found if one is not None), key=lambda one: one.started_at)

    def of(self, attempt_token: str) -> Standby | None:
        """Return which one an attempt has taken."""
        return self._read(self._taken / f"{checked(attempt_token)}.json")

    def start(self, kind: Kind, idle_s: float) -> None:
        """Start one; it ends by itself when it has been idle for so long."""
        token = secrets.token_hex(8)
        place = Place(
            job=self._around.jobs / ".warm" / token,
            folder=self._around.jobs / ".warm" / token / "1",
            scratch=self._around.scratch / token,
            control=self._around.folder / "control" / token,
        )
        one = Standby(
            token=token,
            key=kind.key,
            started_at=time.time(),
            job=str(place.job),
            scratch=str(place.scratch),
            control=str(place.control),
        )
        write_private(self._standing / f"{token}.json", msgspec.json.encode(one))
        folders.make(place, is_shared=os.geteuid() == 0)
        command = self._engine.command(_attempt(kind, token, place))
        (place.folder / "driver.log").touch(mode=0o600)
        if kind.owner is not None:
            folders.hand_over(place, kind.owner)
        launch = place.control / "launch.json"
        launch.write_text(json.dumps(self._launch(command, one, kind.owner, idle_s)))
        self._shims[token] = subprocess.Popen(
            [sys.executable, "-I", "-S", shim.__file__, str(launch)],
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=place.control,
            env={},
        )

    def take(self, attempt: Attempt, kind: Kind) -> Standby | None:
        """Return one for the attempt, for good, and let its log become the attempt's; None if there is none for it."""
        path = self._taken / f"{checked(attempt.token)}.json"
        known = self._read(path)
        if known is not None:
            return known
        for one in self.standing():
            if one.key == kind.key and self.is_alive(one):
                try:
                    (self._standing / f"{one.token}.json").rename(path)
                except FileNotFoundError:
                    continue  # somebody was quicker
                _move_log(one, attempt.folder / "driver.log")
                return one
        return None

    def is_alive(self, one: Standby) -> bool:
        """Whether it has not ended; true also before it has begun."""
        control = Path(one.control)
        if (control / "exit.json").exists():
            return False
        return not (control / "claim").exists() or bool(processes.marked(one.token, uid=one.uid))

    def end(self, one: Standby, application_id: str | None = None) -> int:
        """End one; return how much of it is left."""
        if not (Path(one.control) / "exit.json").exists():
            leftovers.kill_marked(one.token, wait_s=_END_S, uid=one.uid)
        if not self._has_shim_ended(one):
            return 1
        left = self._engine.reclaim(one.token, application_id)
        if left == 0:
            for folder in (one.job, one.scratch, one.control):
                shutil.rmtree(folder, ignore_errors=True)
            (self._standing / f"{one.token}.json").unlink(missing_ok=True)
        return left

    def forget(self, attempt_token: str) -> None:
        """Forget what an attempt has taken, of which nothing is left."""
        (self._taken / f"{checked(attempt_token)}.json").unlink(missing_ok=True)

    def _has_shim_ended(self, one: Standby) -> bool:
        """Have the shim end, or never begin; return whether it has."""
        claim = Path(one.control) / "claim"
        with contextlib.suppress(OSError), claim.open("x") as file:
            file.write("none\n")
        with contextlib.suppress(OSError):
            leader = processes.claimed_by(claim.read_text())
            if leader is not None:
                processes.send_signal(leader, signal.SIGTERM)
                leftovers.wait_until(lambda: not processes.is_alive(leader), self._around.grace_s + _END_S)
                if processes.is_alive(leader):
                    return False
        started = self._shims.pop(one.token, None)
        if started is not None:
            started.wait()
        return True

    def _launch(self, command: Command, one: Standby, owner: UnixUser | None, idle_s: float) -> dict[str, object]:
        as_whom = None if owner is None else {"uid": owner.uid, "gid": owner.gid, "groups": owner.groups()}
        return {
            "argv": [*command.argv, str(one.socket), str(idle_s)],
            "env": command.env,
            "cwd": str(command.cwd),
            "output": str(one.folder / "driver.log"),
            "grace_s": self._around.grace_s,
            "owner": as_whom,
            "limits": dict(self._around.limits),
        }

    def _read(self, path: Path) -> Standby | None:
        try:
            return msgspec.json.decode(path.read_bytes(), type=Standby)
        except (FileNotFoundError, msgspec.DecodeError):  # it is taken, or is just being written
            return None


def _attempt(kind: Kind, token: str, place: Place) -> Attempt:
    """Return what the engine starts: an attempt without a job."""
    return Attempt(
        job_id=_NO_JOB,
        number=1,
        token=token,
        name="standby",
        workers=kind.workers,
        gpus_per_worker=kind.gpus_per_worker,
        gpus_by_node=dict(kind.gpus_by_node),
        folder=place.folder,
        scratch=place.scratch,
        script=place.folder / "script" / "none",
        args=(),
        checkpoints=place.checkpoints,
        owner=kind.owner,
        is_standby=True,
    )


def _move_log(one: Standby, path: Path) -> None:
    """Let what Spark prints go on in the attempt's log, if it is still the file that was made for it.

    The folder was the owner's, who may have put a link in its place.
    """
    try:
        os.rename(one.folder / "driver.log", path)
    except OSError:
        return  # on another disk: Spark's own words stay behind
    there = path.lstat()
    if not stat.S_ISREG(there.st_mode) or there.st_nlink != 1 or there.st_uid != one.uid:
        path.unlink()
