"""What a machine lacks is said before anything is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]


def test_the_first_look_at_a_machine_needs_nothing_but_python(tmp_path: Path) -> None:
    asked = [sys.executable, "-S", "-m", "gpuq_daemon.preflight"]  # -S: as if nothing were installed
    environment = {"PATH": str(tmp_path), "PYTHONPATH": f"{_ROOT}:{_ROOT / 'daemon'}"}

    done = subprocess.run(asked, env=environment, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode != 0  # no Java on this path
    assert "Java" in done.stderr
    assert "Traceback" not in done.stderr
