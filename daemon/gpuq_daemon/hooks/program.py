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
            lambda: SubprocessStreamProtocol(limit=_PIECE, loop=loop), *lead, path,
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
            ran = await _heard(process, given, most_said)
            code = await process.wait()
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
    """Check that only root and the program's owner can have written it.

    Raises:
        OSError: there is no such file.
        ValueError: it is no program, or anybody's.
    """
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("it is no file")
    if not found.st_mode & 0o111:
        raise ValueError("it may not be executed; chmod +x it")
    if found.st_mode & stat.S_IWOTH:
        raise ValueError("everybody may write to it; take that right away")


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


async def _heard(process: Process, given: bytes, most: int) -> Ran:
    """Give a program its input, and read what it says until it ends or has said too much."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_give(process.stdin, given))
        output = tasks.create_task(_read(process.stdout, most, process))
        errors = tasks.create_task(_read(process.stderr, most, process))
    return Ran(output=output.result(), errors=errors.result())


async def _give(stream: asyncio.StreamWriter, given: bytes) -> None:
    with contextlib.suppress(ConnectionError):  # it need not read
        stream.write(given)
        await stream.drain()
    stream.close()


async def _read(stream: asyncio.StreamReader, most: int, process: Process) -> bytes:
    said = bytearray()
    while len(said) <= most and (piece := await stream.read(_PIECE)):
        said += piece
    if len(said) > most:
        _end(process)
    return bytes(said[: most + 1])


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
