"""gpuqd in the background: started until it serves, and stopped."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from gpuq.client import Client
from gpuq.errors import GpuqError, UnavailableError, UsageError
from gpuq_daemon.config import Config
from gpuq_daemon.processes import identify, is_alive, send_signal

_START_S = 120.0
_STOP_S = 60.0


class StartError(GpuqError):
    """gpuqd did not come up; nothing of it is left running."""


def start(config: Config, config_file: Path) -> int:
    """Start gpuqd and return its pid once it serves; its log is `gpuqd.log` in the state folder.

    Raises:
        StartError: it ended before it served, with what it said last.
        UsageError: the state folder cannot be used.
    """
    log = config.state / "gpuqd.log"
    try:
        config.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open(log, "ab", opener=_private) as output:
            begin = output.tell()
            daemon = subprocess.Popen(
                # -P: in whatever folder root types this, nothing of that folder is imported.
                [sys.executable, "-P", "-m", "gpuq_daemon", "serve", "--config", str(config_file)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
    except OSError as error:
        raise UsageError(f"Cannot use the state folder {config.state}: {error.strerror}.") from error
    try:
        _await(daemon, Client(str(config.socket_path)), log, begin)
    except BaseException:
        if daemon.poll() is None:
            daemon.terminate()
            daemon.wait(_STOP_S)
        raise
    return daemon.pid


def stop(config: Config) -> bool:
    """End the gpuqd of this configuration in order and return whether there was one."""
    pid = _holder(config.state / "gpuqd.lock")
    process = None if pid is None else identify(pid)
    if process is None or not send_signal(process, signal.SIGTERM):
        return False
    deadline = time.monotonic() + _STOP_S
    while is_alive(process):
        if time.monotonic() > deadline:
            raise UnavailableError(f"gpuqd (pid {pid}) has not ended within {_STOP_S:.0f} s; its log says why.")
        time.sleep(0.05)
    return True


def _await(daemon: subprocess.Popen[bytes], client: Client, log: Path, begin: int) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        if daemon.poll() is not None:
            with log.open("rb") as file:
                file.seek(begin)
                said = file.read().decode(errors="replace").strip().splitlines()
            raise StartError(said[-1].removeprefix("gpuqd: ") if said else f"gpuqd ended with {daemon.returncode}.")
        try:
            if client.cluster()["pid"] == daemon.pid:
                return
        except GpuqError:
            pass  # not yet
        if time.monotonic() > deadline:
            raise StartError(f"gpuqd did not serve within {_START_S:.0f} s: the machine is too busy; see {log}.")
        time.sleep(0.1)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _holder(lock: Path) -> int | None:
    """Return the pid of the process that holds the lock on a state folder, or None."""
    try:
        file = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        said = os.read(file, 32).strip()
        return int(said) if said.isdigit() else None
    else:
        return None
    finally:
        os.close(file)
