"""A script that is its own driver: how it has ended is told, whatever it has done to its streams."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gpuq_job import spec
from tests.job.test_rank import a_run

RUNS = """
import json, sys
from pathlib import Path
from gpuq_job import spec
from gpuq_job.own_driver import OwnDriver
ended = OwnDriver(spec.read(Path(sys.argv[1])))._run_script()
Path(sys.argv[2]).write_text(json.dumps(ended))
"""


@pytest.mark.parametrize(
    ("ends", "told"),
    [
        ("raise ValueError('its own')", [1, "ValueError: its own", "UserError"]),
        ("sys.exit('no rows')", [1, "the driver script ended with sys.exit: no rows", "UserError"]),
        ("sys.exit(256)", [1, "the driver script ended with sys.exit(256)", "UserError"]),
    ],
)
@pytest.mark.parametrize("spoils", ["pass", "sys.stdout.close(); sys.stderr.close()", "os.close(1); os.close(2)"])
def test_its_end_is_told_whatever_became_of_its_streams(
    tmp_path: Path, spoils: str, ends: str, told: list[object]
) -> None:
    spec.write(tmp_path / "spec.json", a_run(tmp_path, f"import os, sys\n{spoils}\n{ends}\n"))
    words = [sys.executable, "-c", RUNS, str(tmp_path / "spec.json"), str(tmp_path / "ended")]

    subprocess.run(words, cwd=Path(__file__).resolve().parents[2], check=True, timeout=120, capture_output=True)

    assert json.loads((tmp_path / "ended").read_text()) == told
