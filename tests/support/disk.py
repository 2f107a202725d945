"""A disk of a few MiB that a test can fill: a tmpfs of its own, so that nothing else feels it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest


@contextlib.contextmanager
def small_disk(*, mib: int) -> Generator[Path]:
    """Give a folder on a file system of `mib` MiB; the test is skipped where none may be mounted."""
    with tempfile.TemporaryDirectory(prefix="gd", dir="/tmp") as name:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=0700", "gpuq-test", name], capture_output=True, text=True
        )
        if mounted.returncode:
            pytest.skip(f"no file system may be mounted here, so no disk is filled: {mounted.stderr.strip()}")
        try:
            yield Path(name)
        finally:
            subprocess.run(["umount", "--lazy", name], check=True)


@contextlib.contextmanager
def filled(disk: Path, *, leaving: int = 0) -> Generator[None]:
    """Leave no byte free on the disk, or `leaving` of them, until the end of the block."""
    ballast = disk / "ballast"
    room = os.statvfs(disk)
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):  # full
        for _ in range((room.f_bavail * room.f_frsize - leaving) // 4096 + (0 if leaving else 10**6)):
            file.write(b"x" * 4096)
    try:
        yield
    finally:
        ballast.unlink()
