"""What the client costs on a login node: a wheel of this tree with the extra `tui`, in an environment of its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.rows import Row
from tests.support.documents import ROOT

_MIB = 1024 * 1024


def measure() -> list[Row]:
    """Return how long pip takes, and how much there is afterwards that was not there before."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        subprocess.run([*pip, "wheel", "--no-deps", "-w", str(folder), str(ROOT)], check=True)
        (wheel,) = folder.glob("*.whl")
        subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
        before = _bytes(folder / "venv")
        start = time.perf_counter()
        argv = [folder / "venv" / "bin" / "python", *pip[1:], "install", f"gpuq-cluster[tui] @ {wheel.as_uri()}"]
        subprocess.run(argv, check=True)
        took = time.perf_counter() - start
        for argv in (["gpuq", "--version"], ["gpuq", "top", "--help"]):
            subprocess.run([folder / "venv" / "bin" / argv[0], *argv[1:]], check=True, stdout=subprocess.DEVNULL)
        pages = len([*(folder / "venv" / "share" / "man").rglob("gpuq*")])
        added = _bytes(folder / "venv") - before
        return [
            Row(name="install: pip install gpuq-cluster[tui]", value=took, unit="s", aim="<= 10"),
            Row(name="install: what it adds, its bytecode too", value=added / _MIB, unit="MiB", aim="<= 30"),
            Row(name="install: the wheel", value=wheel.stat().st_size / _MIB, unit="MiB"),
            Row(name="install: manual pages", value=pages, unit="pages"),
        ]


def _bytes(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file())
