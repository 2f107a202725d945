"""How quickly commands start, beside a bare Python in the same minute."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.bench.rows import Row, quantile, times_ms
from tests.support.daemon import plain_gpuqd

_ROUNDS = 30
_AIM, _AIM_OFTEN = 4.5, 2.5
_OFTEN = ("gpuq queue", "gpuq enqueue", "gpuq why")
_SCRIPT = "def main_fun(args, ctx): pass\n"


def measure() -> list[Row]:
    """Return the cold start of the commonest commands."""
    gpuq = str(Path(sys.executable).with_name("gpuq"))
    with plain_gpuqd() as daemon:
        daemon.enqueue(_SCRIPT, workers=2)
        script = daemon.folder / "train.py"
        script.write_text(_SCRIPT)
        env = {**os.environ, "GPUQ_SOCKET": daemon.client.path}
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "gpuq --version": [gpuq, "--version"],
            "gpuq queue": [gpuq, "queue"],
            "gpuq why 1": [gpuq, "why", "1"],
            "gpuq enqueue": [gpuq, "enqueue", str(script)],
            "gpuq show 1": [gpuq, "show", "1"],
            "gpuq history": [gpuq, "history"],
            "gpuq nodes": [gpuq, "nodes"],
            "gpuq share": [gpuq, "share"],
            "gpuq plot --list 1": [gpuq, "plot", "--list", "1"],
        }
        taken: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(_ROUNDS):  # in turn, so that a busy moment meets all of them
            for name, argv in commands.items():

                def run(argv: list[str] = argv) -> None:
                    subprocess.run(argv, env=env, stdout=subprocess.DEVNULL, check=True)

                taken[name] += times_ms(run, 1)
    bare = quantile(taken.pop("python -c pass"), 0.5)
    rows = [Row(name="start: python -c pass", value=bare, unit="ms")]
    for name, values in taken.items():
        middle = quantile(values, 0.5)
        aim = _AIM_OFTEN if name.startswith(_OFTEN) else _AIM
        rows.append(Row(name=f"start: {name}", value=middle, unit="ms"))
        rows.append(Row(name=f"start: {name}", value=middle / bare, unit="x bare Python", aim=f"<= {aim}"))
    return rows
