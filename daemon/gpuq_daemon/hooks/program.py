"""Runs one of the site's programs: without rights, for a limited time, with bounded output.

It has an environment of its own and a session of its own, of which nothing is left after it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
from asyncio.subprocess import Process, SubprocessStreamProtocol
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gpuq.errors import GpuqError
from gpuq.text import clean, fit
from gpuq_daemon import owners
from gpuq_daemon.hook_tables import HookTable

_PATH = "/usr/local/bin:/usr/bin:/bin"
_MOST_SAID = 64 * 1024
_PIECE = 64 * 1024
_KILL_S = 2.0
_REST_S = 1.0  # for what a program has said and is still on its way; longer only where it left somebody with its pipes
_NOT_STARTED = (126, 127)  # as shells, env and timeout say it


class HookError(GpuqError):
    """A hook did not do what it is for; the message names it, and says what became of it."""


class HookBrokenError(HookError):
    """It says nothing of what it was asked about: it could not be run at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a program printed, each at most as much as was to be read."""

    output: bytes
    errors: bytes


async def run(
    name: str,
    hook: HookTable,
    words: Mapping[str, str],
    *,
    given: bytes = b"",
    most_said: int = _MOST_SAID,
) -> Ran:
    """Run a hook with `words` as its environment and `given` as its input.

    Raises:
        HookBrokenError: it could not be run.
        HookError: it failed, said too much or took too long; with the last line that it said.
    """
    path = hook.path
    assert path is not None
    shown = f"{name} {clean(path)}"
    limit = shutil.which("timeout", path=_PATH)  # so that it ends also where gpuqd is killed meanwhile
    lead = () if limit is None else (limit, "-k", f"{_KILL_S:g}", f"{hook.timeout_s + _KILL_S:g}")
    try:
        _check(path)
        uid, gid, groups = _as_whom(hook.user)
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.subprocess_exec(
            lambda: _Streams(limit=_PIECE, loop=loop), *lead, path,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/", umask=0o077,
            env={"PATH": _PATH, "GPUQ_SCRIPT_CONTEXT": name.replace(" ", "_"), **words},
            start_new_session=True, user=uid, group=gid, extra_groups=groups,
        )  # fmt: skip
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise HookBrokenError(f"The {shown} could not be run: {why}.") from error
    process = Process(transport, protocol, loop)
    try:
        async with asyncio.timeout(hook.timeout_s):
            ran = await _heard(process, protocol, given, most_said)
        code = transport.get_returncode()
    except TimeoutError as error:
        raise HookError(f"The {shown} did not end within {hook.timeout_s:g} s.") from error
    finally:
        _end(process)
        _let_go(transport)
        await process.wait()
    if len(ran.output) > most_said or len(ran.errors) > most_said:
        raise HookError(f"The {shown} said more than {most_said // 1024} KiB.")
    if code in _NOT_STARTED:
        raise HookBrokenError(f"The {shown} could not be run{_last_line(ran)}.")
    assert code is not None
    if code != 0:
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        raise HookError(f"The {shown} ended with {how}{_last_line(ran)}.")
    return ran


def problem(hook: HookTable) -> str | None:
    """Return why a hook that there is cannot be run here, None if nothing is known against it."""
    assert hook.path is not None
    try:
        _check(hook.path)
        uid, _, _ = _as_whom(hook.user)
    except (OSError, ValueError) as error:
        return (error.strerror if isinstance(error, OSError) else None) or str(error)
    found = None if uid is None else owners.lookup(uid)
    return None if found is None else owners.may_reach(Path(hook.path), found)


def _check(path: str) -> None:
    """Check that only root and the owners of the program and of the folders above it can have written it.

    Raises:
        OSError: there is no such file.
        ValueError: it is no program, or others may write it.
    """
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("it is no file")
    if not found.st_mode & 0o111:
        raise ValueError("it may not be executed; chmod +x it")
    if (others := writable_by_others(path)) is not None:
        raise ValueError(f"others than the owner of {clean(others)} may write there; chmod go-w {clean(others)}")


def writable_by_others(path: str) -> str | None:
    """Return what of a program, or of the folders that lead to it, its group or everybody may write; None is right.

    In a folder as /tmp nobody may put another file in the place of somebody else's.
    """
    real = Path(path).resolve()
    for place in (real, *real.parents):
        found = place.stat()
        is_sticky = stat.S_ISDIR(found.st_mode) and bool(found.st_mode & stat.S_ISVTX)
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not is_sticky:
            return str(place)
    return None


def _as_whom(user: str) -> tuple[int | None, int | None, list[int] | None]:
    """Return uid, gid and groups that a program is started with: by a gpuqd that is not root its own, None.

    Raises:
        ValueError: there is no such user, or it is root.
    """
    if os.geteuid() != 0:
        return None, None, None
    try:
        found = pwd.getpwnam(user)
    except KeyError as error:
        raise ValueError(f"there is no user {clean(user)}") from error
    if found.pw_uid == 0:
        raise ValueError(f"{clean(user)} is root, and hooks are run without rights")
    return found.pw_uid, found.pw_gid, os.getgrouplist(user, found.pw_gid)


class _Streams(SubprocessStreamProtocol):
    """Tells of the program's own end: its pipes may be kept open by what it leaves."""

    def __init__(self, limit: int, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=limit, loop=loop)
        self.ended = asyncio.Event()

    def process_exited(self) -> None:
        super().process_exited()
        self.ended.set()


async def _heard(process: Process, streams: _Streams, given: bytes, most: int) -> Ran:
    """Give a program its input, and read what it says until it ends or has said too much."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    said = bytearray(), bytearray()
    async with asyncio.TaskGroup() as tasks:
        reading = (
            tasks.create_task(_give(process.stdin, given)),
            tasks.create_task(_read(process.stdout, said[0], most, process)),
            tasks.create_task(_read(process.stderr, said[1], most, process)),
        )
        await streams.ended.wait()
        _end(process)
        await asyncio.wait(reading, timeout=_REST_S)
        for one in reading:
            one.cancel()
    return Ran(output=bytes(said[0]), errors=bytes(said[1]))


async def _give(stream: asyncio.StreamWriter, given: bytes) -> None:
    with contextlib.suppress(ConnectionError):  # it need not read
        stream.write(given)
        await stream.drain()
    stream.close()


async def _read(stream: asyncio.StreamReader, said: bytearray, most: int, process: Process) -> None:
    while len(said) <= most and (piece := await stream.read(_PIECE)):
        said += piece
    if len(said) > most:
        _end(process)


def _end(process: Process) -> None:
    """Kill all that is left of its session, it itself and what it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _let_go(transport: asyncio.SubprocessTransport) -> None:
    """Close our ends of its pipes: asyncio has no process end before these, and another session may keep theirs."""
    for number in range(3):
        pipe = transport.get_pipe_transport(number)
        if isinstance(pipe, asyncio.WriteTransport) and pipe.get_write_buffer_size():
            pipe.abort()  # what nobody has read; a plain end waits for that
        elif pipe is not None:
            pipe.close()


def _last_line(ran: Ran) -> str:
    said = last_line(ran.errors) or last_line(ran.output)
    return f": {said.rstrip('.')}" if said else ""


def last_line(said: bytes) -> str:
    """Return the last line that is not empty, fit to be shown."""
    lines = [line for line in said.decode(errors="replace").splitlines() if line.strip()]
    return fit(clean(lines[-1].strip()), 300) if lines else ""
