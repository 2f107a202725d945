"""Asks the Python that jobs run with for the packages they need, without importing any of them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

from gpuq_daemon.backends.base import EngineError

NEEDED = ("pyspark", "tensorflow", "tensorflowonspark", "pkg_resources", "six")
_TIMEOUT_S = 60.0
_QUESTION = """
import importlib.util, json, sys
found = {name: importlib.util.find_spec(name) for name in sys.argv[1:]}
print(json.dumps({name: spec.origin for name, spec in found.items() if spec is not None}))
"""


def spark_home(python: Path, environment: Mapping[str, str]) -> Path:
    """Return the folder of the Spark that comes with this Python's pyspark.

    Raises:
        EngineError: it does not run, or lacks one of the packages a job needs.
    """
    command = [str(python), "-c", _QUESTION, *NEEDED]
    safely = {**environment, "PYTHONSAFEPATH": "1"}  # nothing of the folder that gpuqd was started in
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True, env=safely)
        origins: dict[str, str] = json.loads(told.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise EngineError(f"The Python for jobs, {python}, does not run: {error}.") from error
    missing = [name for name in NEEDED if name not in origins]
    if missing:
        raise EngineError(
            f"The Python for jobs, {python}, has no {', '.join(missing)}: "
            "install them with `pip install 'gpuq-cluster[job]'`."
        )
    return Path(origins["pyspark"]).parent
