"""What opening a database loads."""

from __future__ import annotations

import subprocess
import sys


def test_the_store_loads_no_numpy_and_leaves_it_to_who_needs_it() -> None:
    code = (
        "import sys, gpuq_daemon.store.jobs; print('numpy' in sys.modules); import numpy; print(numpy.arange(2).sum())"
    )

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert said.stdout.split() == ["False", "1"]
