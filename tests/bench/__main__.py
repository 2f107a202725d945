"""`python -m tests.bench [NAME]`: measure, print a table, write build/bench.json."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from tests.bench.rows import Row

_NAMES = (
    "start",
    "enqueue",
    "spark",
    "engines",
    "policy",
    "pods",
    "submits",
    "checkpoint",
    "events",
    "faults",
    "history",
    "install",
    "dispatch",
    "hdfs",
    "restart",
    "top",
    "charts",
    "trace",
    "stress",
)
_MARKS = {True: "met", False: "MISSED", None: ""}


def _compile_once() -> None:
    """Let what is measured load bytecode, as it does where pip has installed it, whatever the environment says."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = os.path.abspath("build/bytecode")
    for name in ("gpuq", "daemon", "tui"):
        subprocess.run([sys.executable, "-m", "compileall", "-q", name], check=True)


def main(only: str | None) -> int:
    """Run the measurements, all or the one named."""
    _compile_once()
    if only is not None and only not in _NAMES:
        print(f"There is no measurement `{only}`; there is {', '.join(_NAMES)}.", file=sys.stderr)
        return 2
    rows: list[Row] = []
    for name in _NAMES if only is None else (only,):
        print(f"... {name}", file=sys.stderr, flush=True)
        rows += importlib.import_module(f"tests.bench.{name}").measure()
    width = max(len(row.name) for row in rows)
    for row in rows:
        print(
            f"{row.name:<{width}}  {row.value:>10.2f} {row.unit:<14} {row.aim or '':<8} {_MARKS[row.is_met]}".rstrip()
        )
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    build = Path("build")
    build.mkdir(exist_ok=True)
    (build / "bench.json").write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else None))
