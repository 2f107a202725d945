"""A user's own program, run as that user, by the same shim and with the same limits as the user's jobs.

It gets what happened in its environment: `GPUQ_NOTICE` is all of it as JSON. What it prints goes nowhere. Its time is
limited, and nothing of it is left after it.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from gpuq_daemon import owners, shim
from gpuq_daemon.messages.sending import NotSentError
from gpuq_daemon.policy.telling import Notice
from gpuq_daemon.store.jobs import Owner

_GRACE_S = 2.0
_SHIM = Path(shim.__file__)


async def run(
    notice: Notice,
    key: str,
    path: str,
    *,
    owner: Owner,
    folder: Path,
    refused: Callable[[Owner, str], str | None],
    limits: dict[str, int],
    timeout_s: float,
) -> None:
    """Run the program at `path` as `owner`. `folder` is gpuqd's own, for this try alone, and goes again.

    Raises:
        NotSentError: it may not be run, could not be started, failed, or took too long.
    """
    why = refused(owner, notice.partition)
    if why is not None:
        raise NotSentError(why, is_final=True)
    try:
        launch = await asyncio.to_thread(_prepared, notice, key, path, owner, folder, limits, timeout_s)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", str(_SHIM), str(launch),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            cwd=folder, env={}, start_new_session=True,
        )  # fmt: skip
        try:
            async with asyncio.timeout(timeout_s + 2 * _GRACE_S):
                await process.wait()
        finally:
            if process.returncode is None:
                process.terminate()  # the shim ends all that descends from it, then itself
                await process.wait()
        ended = json.loads((folder / "exit.json").read_text())
    except TimeoutError as error:
        raise NotSentError(f"{path} did not end within {timeout_s:g} s", is_final=True) from error
    except (OSError, ValueError) as error:
        raise NotSentError(f"{path} could not be run: {error}") from error
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    if ended["error"]:
        raise NotSentError(ended["error"], is_final=True)
    if ended["exit_code"] == 124:
        raise NotSentError(f"{path} did not end within {timeout_s:g} s", is_final=True)
    if ended["exit_code"] != 0:
        how = f"signal {ended['signal']}" if ended["exit_code"] is None else f"exit code {ended['exit_code']}"
        how += {126: ": it cannot be run", 127: ": there is no such program"}.get(ended["exit_code"], "")
        raise NotSentError(f"{path} ended with {how}")


def _prepared(
    notice: Notice, key: str, path: str, owner: Owner, folder: Path, limits: dict[str, int], timeout_s: float
) -> Path:
    """Write what the shim is to do, and return where."""
    found = owners.lookup(owner.uid)
    is_theirs = os.geteuid() == 0 and found is not None
    home = "/" if found is None else found.home
    folder.mkdir(mode=0o700, parents=True)
    words = {
        "GPUQ_NOTICE": msgspec.json.encode(notice).decode(), "GPUQ_NOTICE_ID": key, "GPUQ_NOTICE_TEXT": notice.text,
        "GPUQ_EVENT": notice.event, "GPUQ_JOB_ID": str(notice.job_id), "GPUQ_JOB_STATE": notice.state.value,
    }  # fmt: skip
    timeout = shutil.which("timeout")  # so that it ends also where gpuqd is killed meanwhile
    launch = {
        "argv": [*((timeout, "-k", f"{_GRACE_S:g}", f"{timeout_s:g}") if timeout else ()), path],
        "env": {"PATH": "/usr/local/bin:/usr/bin:/bin", **({} if found is None else found.words), **words},
        "cwd": home if os.path.isdir(home) else "/",
        "output": os.devnull,
        "grace_s": _GRACE_S,
        "owner": {"uid": found.uid, "gid": found.gid, "groups": found.groups()} if is_theirs and found else None,
        "limits": limits,
    }
    made = folder / "launch.json"
    made.write_text(json.dumps(launch))
    return made
