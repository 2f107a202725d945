"""Questions about what is to come, answered by a process beside gpuqd: a queue played forward takes seconds of CPU."""

from __future__ import annotations

import asyncio
import sys
from typing import TypeVar

import msgspec

from gpuq.errors import UnavailableError
from gpuq_daemon.forecast.packing import packed
from gpuq_daemon.forecast.questions import Question

T = TypeVar("T")
_LONGEST_S = 180.0
_AT_ONCE = 2


class Aside:
    """Asks one process a question, at most two at a time; whoever comes when both are busy waits."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def ask(self, question: Question, kind: type[T]) -> T:
        """Return the answer to a question, which is of this kind.

        Raises:
            UnavailableError: the process failed, or took too long.
        """
        async with self._free:
            try:
                return msgspec.msgpack.decode(await _answer(packed(question)), type=kind)
            except (OSError, TimeoutError, msgspec.MsgspecError) as error:
                raise UnavailableError(
                    f"The queue could not be played forward: {error or 'it took too long'}."
                ) from error


async def _answer(question: bytes) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "gpuq_daemon.forecast"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_LONGEST_S):
            answer, said = await process.communicate(question)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        lines = said.decode(errors="replace").strip().splitlines()
        raise UnavailableError(f"The queue could not be played forward: {lines[-1] if lines else 'it was ended'}.")
    return answer
