"""What senders have in common: how one says that a message was not sent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from gpuq.errors import GpuqError
from gpuq.text import clean, fit

_SAID_BYTES = 400


class NotSentError(GpuqError):
    """A message was not sent, for this reason. `is_final`: trying again would be of no use."""

    def __init__(self, why: str, *, is_final: bool = False) -> None:
        super().__init__(fit(clean(why), 300))
        self.is_final = is_final


async def run(argv: Sequence[str], text: bytes, *, cwd: Path, env: dict[str, str], timeout_s: float) -> int:
    """Run a program of gpuqd's own choice with `text` as its input, and return its exit code.

    Raises:
        NotSentError: it cannot be started, or did not end in time; nothing of its process group is left then.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=cwd,
            env=env,
            start_new_session=True,
        )
    except OSError as error:
        raise NotSentError(f"{argv[0]} cannot be started: {error.strerror}") from error
    try:
        async with asyncio.timeout(timeout_s):
            await process.communicate(text)
    except TimeoutError as error:
        raise NotSentError(f"{argv[0]} did not end within {timeout_s:g} s") from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    assert process.returncode is not None
    return process.returncode
