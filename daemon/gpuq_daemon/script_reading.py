"""Long scripts are read by a process beside gpuqd.

Python's parser stops all other threads of its process, for seconds with a script of a megabyte, of which it makes a
gigabyte of nodes.
"""

from __future__ import annotations

import asyncio
import sys

from gpuq.errors import UnavailableError
from gpuq_daemon.policy import script

_LONGEST_S = 60.0
_PROGRAM = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
resource.setrlimit(resource.RLIMIT_CPU, (30, 30))
text = sys.stdin.buffer.read().decode(errors="surrogatepass")
sys.stdout.buffer.write((runpy.run_path(sys.argv[1])["fault"](text) or "").encode(errors="replace"))
"""
_TOO_MUCH = "The script is not Python that can be read: it is too long or nested too deeply."


class ScriptReader:
    """Reads one script at a time; the next waits for its turn."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore()

    async def fault(self, text: str) -> str | None:
        """Return why this is no script with a `main_fun`, in one sentence, or None if it is one.

        Raises:
            UnavailableError: no process can be started now.
        """
        async with self._free:
            try:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-I", "-S", "-c", _PROGRAM, script.__file__),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.DEVNULL,
                )
            except OSError as error:
                raise UnavailableError(f"gpuqd cannot start a process that reads the script: {error}.") from error
            try:
                async with asyncio.timeout(_LONGEST_S):
                    said, _ = await process.communicate(text.encode(errors="surrogatepass"))
            except TimeoutError:
                return _TOO_MUCH
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        return _TOO_MUCH if process.returncode else said.decode() or None
