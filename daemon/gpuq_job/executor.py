"""What Spark's executor was told when it was started, as its Python daemon sees it: words of the parent's command line.

Spark says nothing of it to Python. YARN tells its node manager in the environment.

Source: CoarseGrainedExecutorBackend's arguments; YARN's ApplicationConstants.Environment.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

_LONGEST = 4 * 1024 * 1024


def command_line(pid: int) -> list[str]:
    """Return the words that a process was started with; none if it is gone."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            return stream.read(_LONGEST).decode(errors="replace").split("\0")
    except OSError:
        return []


def told(words: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return what the environment of the ranks lacks: the host's address, the node and the executor's number."""
    known = {
        "GPUQ_HOST": _after(words, "--hostname"),
        "SPARK_EXECUTOR_ID": _after(words, "--executor-id"),
        "GPUQ_NODE": _manager(environment) or _after(words, "--worker-url").rpartition("@")[2],
    }
    return {name: value for name, value in known.items() if value and not environment.get(name)}


def use_own_temporary_folder() -> None:
    """Take a folder in /tmp where the one of the attempt is not on this host, and remove it at the end.

    Its path must be short: Unix sockets are made in it.
    """
    if Path(os.environ.get("TMPDIR", "/tmp")).is_dir():
        return
    folder = tempfile.mkdtemp(prefix=f"gpuq-{os.environ.get('GPUQ_ATTEMPT', '')}-", dir="/tmp")
    os.environ["TMPDIR"] = folder
    tempfile.tempdir = None
    daemon = os.getpid()
    atexit.register(lambda: shutil.rmtree(folder, ignore_errors=True) if os.getpid() == daemon else None)


def _manager(environment: Mapping[str, str]) -> str:
    host, port = environment.get("NM_HOST"), environment.get("NM_PORT")
    return f"{host}:{port}" if host and port else ""


def _after(words: Sequence[str], name: str) -> str:
    """Return the word after an option, empty if it is not there."""
    return next((words[at + 1] for at, word in enumerate(words[:-1]) if word == name), "")
