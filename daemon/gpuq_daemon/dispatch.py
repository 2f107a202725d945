"""Starts attempts, finds them again, ends them. Every step may be repeated safely, by a later gpuqd too."""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from gpuq.errors import GpuqError
from gpuq.models import Code
from gpuq_daemon import folders, owners
from gpuq_daemon.backends.base import Attempt, Command, Engine, Explaining
from gpuq_daemon.config import Config
from gpuq_daemon.hooks.job_hooks import words_of
from gpuq_daemon.hooks.node_hooks import node_hooks
from gpuq_daemon.owners import UnixUser
from gpuq_daemon.places import Place, place_of
from gpuq_daemon.policy.lifecycle import DriverEnd
from gpuq_daemon.processes import ProcessId, claimed_by, send_signal
from gpuq_daemon.shim import NO_ROOM
from gpuq_daemon.store.attempts import ActiveAttempt
from gpuq_daemon.store.jobs import Owner

logger = logging.getLogger(__name__)

_CLAIM_WAIT_S = 20.0
_NEVER = "none"
_LONGEST_FILE = 64 * 1024
_PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ENOSPC, errno.EDQUOT)
_SHIM = Path(__file__).with_name("shim.py")


class LaunchError(GpuqError):
    """The attempt could not be started; it never will be."""


class Dispatcher:
    """Starts and ends the shims of attempts. Methods may block; call them off the event loop."""

    def __init__(
        self,
        config: Config,
        engines: Mapping[str, Engine],
        refused: Callable[[Owner, str], str | None] = lambda owner, partition: None,
    ) -> None:
        """`refused` says why a user's jobs must not be run in a partition, or None."""
        self._config = config
        self._engines = engines
        self._refused = refused

    def ensure_started(self, attempt: ActiveAttempt, code: Code | None = None) -> ProcessId | None:
        """Return the attempt's living shim, started now if it never was; None if it has been and is gone.

        `code` is what lies beside the script of one that is to be started.

        Raises:
            LaunchError: it cannot be started; nothing of it runs.
            OSError: this machine is short of something now; ask again.
        """
        place = self.place(attempt)
        if attempt.shim is not None:
            return claimed_by(attempt.shim)
        if not place.claim.exists():
            if attempt.intent is not None and self._forbid(place):
                return None
            try:
                self._start(attempt, place, code)
            except (OSError, GpuqError) as error:
                if isinstance(error, OSError) and error.errno in _PASSING:
                    raise
                if self._forbid(place):
                    raise LaunchError(f"could not be started: {error}") from error
        return claimed_by(_read(place.claim) or "")

    def is_claimed(self, attempt: ActiveAttempt) -> bool:
        """Whether the attempt has been started, or never will be."""
        return self.place(attempt).claim.exists()

    def end(self, shim: ProcessId) -> None:
        """Ask a shim to end its attempt: SIGTERM, SIGKILL after the configured grace."""
        send_signal(shim, signal.SIGTERM)

    def driver_end(self, attempt: ActiveAttempt) -> DriverEnd:
        """Return how the driver ended; all unknown if the shim was killed before it could say.

        Where the engine knows better why, that is its error.
        """
        engine = self._engines[attempt.partition]
        why = engine.explained(attempt.token) if isinstance(engine, Explaining) else None
        text = _read(self.place(attempt).control / "exit.json")
        try:
            end = DriverEnd() if text is None else msgspec.json.decode(text, type=DriverEnd)
        except msgspec.DecodeError:
            logger.warning("exit.json says nothing of use", extra={"job_id": attempt.job_id})
            end = DriverEnd()
        return end if why is None else replace(end, error=why.text, reason=why.reason)

    def place(self, attempt: ActiveAttempt) -> Place:
        """Return where the attempt's files are."""
        return place_of(self._config, attempt.job_id, attempt.number, attempt.token)

    def _start(self, attempt: ActiveAttempt, place: Place, code: Code | None) -> None:
        """Start a shim; prepare the attempt unless an earlier gpuqd has, whose own shim may be about to begin."""
        owner = self._owner(attempt)
        launch = place.control / "launch.json"
        if not _is_whole(launch):
            self._prepare(attempt, place, owner, launch, code)
        started = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_SHIM), str(launch)],
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=place.control,
            env={},
        )
        _await_claim(place, started)

    def _prepare(
        self, attempt: ActiveAttempt, place: Place, owner: UnixUser | None, launch: Path, code: Code | None
    ) -> None:
        """Make what the attempt needs; `launch`, last, says that all of it is there."""
        folders.make(place, is_shared=os.geteuid() == 0)
        script = place.folder / "script" / attempt.script_name
        script.write_text(attempt.script, encoding="utf-8")
        for file in () if code is None else code.files:
            beside = script.parent / file.path  # below it: that was looked at when it was let in
            beside.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            beside.write_text(file.text, encoding="utf-8")
        log_uri = self._config.log_uri_of(attempt.partition)
        if log_uri is not None:
            (place.control / "log-uri").write_text(f"{log_uri}/{attempt.job_id}")
        command = self._engines[attempt.partition].command(
            Attempt(
                job_id=attempt.job_id,
                number=attempt.number,
                token=attempt.token,
                name=attempt.name,
                workers=attempt.workers,
                gpus_per_worker=attempt.gpus_per_worker,
                folder=place.folder,
                scratch=place.scratch,
                script=script,
                args=attempt.args,
                checkpoints=place.checkpoints,
                gpus_by_node=attempt.gpus_by_node,
                ps=attempt.ps,
                evaluator=attempt.evaluator,
                ps_by_node=attempt.ps_by_node,
                epochs=attempt.epochs,
                independent=attempt.independent,
                driver=attempt.driver,
                owner=owner,
                array_id=attempt.array_id,
                array_index=attempt.array_index,
                carried_to=place.carried_to(),
                sample_every_s=self._config.sample_every_s,
                node_hooks=node_hooks(self._config.hooks),
                hook_words=words_of(self._config, attempt),
            )
        )
        place.folder.joinpath(*place.log(None)).touch(mode=0o600)  # so that the command's output has a place for sure
        if owner is not None:
            folders.hand_over(place, owner)
        draft = launch.with_name("launch.json.draft")
        draft.write_text(json.dumps(self._launch(command, place, owner)))
        draft.replace(launch)

    def _owner(self, attempt: ActiveAttempt) -> UnixUser | None:
        """Return whom the attempt is run as, None for the user that gpuqd runs as.

        Raises:
            LaunchError: it must not be run, or not any more.
        """
        refused = self._refused(Owner(user=attempt.user, uid=attempt.uid), attempt.partition)
        if refused is not None:
            raise LaunchError(refused)
        return owners.lookup(attempt.uid) if os.geteuid() == 0 else None

    def _launch(self, command: Command, place: Place, owner: UnixUser | None) -> dict[str, object]:
        """Return what the shim is to do."""
        owner = None if command.is_gpuqds else owner
        as_whom = None if owner is None else {"uid": owner.uid, "gid": owner.gid, "groups": owner.groups()}
        return {
            "argv": command.argv,
            "env": command.env,
            "cwd": str(command.cwd),
            # What is gpuqd's own must not write where the owner could put another file in the way.
            "output": str(place.own_log if command.is_gpuqds else place.folder.joinpath(*place.log(None))),
            "grace_s": self._config.kill_wait_s,
            "owner": as_whom,
            "limits": {} if command.is_gpuqds else self._config.limits.by_name,
        }

    def _forbid(self, place: Place) -> bool:
        """Claim the attempt so that nothing ever runs it; False if a shim was quicker."""
        place.control.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            file = os.open(place.claim, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return False
        try:
            os.write(file, f"{_NEVER}\n".encode())
        except OSError:
            pass  # no room for the word: a claim that is empty names nobody either
        finally:
            os.close(file)
        return True


def _is_whole(launch: Path) -> bool:
    """Whether the file is there and can be read; a power cut may have left it empty."""
    try:
        json.loads(launch.read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    return True


def _await_claim(place: Place, started: subprocess.Popen[bytes]) -> None:
    """Return once a shim, this one or one that was quicker, has claimed the attempt."""
    deadline = time.monotonic() + _CLAIM_WAIT_S
    while not place.claim.exists():
        if started.poll() is not None and not place.claim.exists():
            if started.returncode == NO_ROOM:
                raise OSError(errno.ENOSPC, "there is no room to start the attempt", str(place.folder))
            raise LaunchError(f"its shim ended with {started.returncode} before it began")
        if time.monotonic() > deadline:
            started.kill()
            started.wait()
            raise LaunchError(f"its shim did not begin within {_CLAIM_WAIT_S:g} s")
        time.sleep(0.005)


def text_of(process: ProcessId) -> str:
    """Return a process as a claim names it: "pid start_time boot_id"."""
    return f"{process.pid} {process.start_time} {process.boot_id}"


def _read(path: Path) -> str | None:
    """Return the start of a small file of gpuqd's own, None if there is no such plain file."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        is_plain = stat.S_ISREG(os.fstat(file).st_mode)
        return os.read(file, _LONGEST_FILE).decode(errors="replace") if is_plain else None
    finally:
        os.close(file)
