"""The site's own programs on a rank's host, around the user's function: as the job's owner, for a limited time."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass

_PATH = "/usr/local/bin:/usr/bin:/bin"
_MOST_READ = 64 * 1024
_LONGEST_LINE = 300
_CONTEXT = {"health": "node_health", "prolog": "node_prolog", "epilog": "node_epilog"}
_TOLD = ("CUDA_VISIBLE_DEVICES", "GPUQ_NODE")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeHook:
    """A program that is on every node: `name` is health, prolog or epilog."""

    name: str
    path: str
    timeout_s: float


def failure(hook: NodeHook, words: Mapping[str, str]) -> str | None:
    """Run a program with `words` as its environment; return in a sentence how it failed, None if it did not.

    What it prints goes nowhere, but for its last line when it fails.
    """
    shown = f"node {hook.name} {hook.path}"
    context = {"GPUQ_SCRIPT_CONTEXT": _CONTEXT[hook.name], **{w: os.environ[w] for w in _TOLD if w in os.environ}}
    with tempfile.TemporaryFile() as said:
        try:
            _check(hook.path)
            process = subprocess.Popen(
                [hook.path], stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, cwd="/",
                env={"PATH": _PATH, **context, **words}, start_new_session=True,
            )  # fmt: skip
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            return f"The {shown} could not be run: {why}."
        try:
            code = process.wait(hook.timeout_s)
        except subprocess.TimeoutExpired:
            return f"The {shown} did not end within {hook.timeout_s:g} s."
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if code == 0:
            return None
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        said.seek(max(0, said.seek(0, os.SEEK_END) - _MOST_READ))
        lines = [line for line in said.read().decode(errors="replace").splitlines() if line.strip()]
        last = f": {lines[-1].strip()[:_LONGEST_LINE].rstrip('.')}" if lines else ""
        return f"The {shown} ended with {how}{last}."


def _check(path: str) -> None:
    """Check that only the program's owner can have written it.

    Raises:
        OSError: there is no such file.
        ValueError: it is no file, or others may write to it.
    """
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("it is no file")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ValueError("others than its owner may write to it; chmod go-w it")
