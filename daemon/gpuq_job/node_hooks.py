"""The site's own programs on a rank's host, around the user's function: as the job's owner, for a limited time."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import stat
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass

_PATH = "/usr/local/bin:/usr/bin:/bin"
_MOST_READ = 64 * 1024
_LONGEST_LINE = 300
_LOOK_S = 0.05
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
    try:
        _check(hook.path)
        process = subprocess.Popen(
            [hook.path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/",
            env={"PATH": _PATH, **context, **words}, start_new_session=True, bufsize=0,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return f"The {shown} could not be run: {why}."
    with process:
        try:
            said = _said(process, hook.timeout_s)
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if said is None:
        return f"The {shown} did not end within {hook.timeout_s:g} s."
    code = process.returncode
    if code == 0:
        return None
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    lines = [line for line in said.decode(errors="replace").splitlines() if line.strip()]
    last = f": {lines[-1].strip()[:_LONGEST_LINE].rstrip('.')}" if lines else ""
    return f"The {shown} ended with {how}{last}."


def _said(process: subprocess.Popen[bytes], timeout_s: float) -> bytes | None:
    """Return the end of what a program says before it ends, None if it does not in time.

    Nothing of it is kept on a disk, which may be full: that may be what the program is to find out.
    """
    assert process.stdout is not None
    deadline, said = time.monotonic() + timeout_s, b""
    os.set_blocking(process.stdout.fileno(), False)
    with selectors.DefaultSelector() as waiting:
        waiting.register(process.stdout, selectors.EVENT_READ)
        while (left_s := deadline - time.monotonic()) > 0:
            waiting.select(min(left_s, _LOOK_S))
            has_ended = process.poll() is not None  # before the last look, which finds what it said until then
            piece = process.stdout.read(_MOST_READ)
            if piece:
                said = (said + piece)[-_MOST_READ:]
            if has_ended:
                return said
            if piece == b"":  # nobody holds its output any more: only its end is waited for
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, deadline - time.monotonic()))
                    return said
                return None
    return None


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
