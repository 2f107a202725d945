"""How quickly every verb starts, beside a bare Python in the same minute: CPU time of the whole process.

gpuq's bytecode is there before, as pip and pipx compile it when they install; a checkout whose environment forbids
bytecode compiles all it imports anew each time, which is about 20 ms more for `gpuq queue`.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

from tests.bench.rows import Row, quantile
from tests.support.daemon import plain_gpuqd

_ROUNDS = int(os.environ.get("ROUNDS", "15"))
_AIM, _AIM_OFTEN = 4.5, 2.5
_OFTEN = ("queue", "enqueue", "why")
_SCRIPT = "def main_fun(args, ctx): pass\n"
# One plain line of each verb; @ is a script. What it finds matters little: everything is loaded, and gpuqd is asked.
# fmt: off
_LINES = (
    "", "--version", "queue", "enqueue @", "why 1", "show 1", "queue -u me", "queue gpus>4", "queue --csv",
    "resubmit 1", "history", "when 1", "logs 1", "trace 1", "stacks 1", "events 1 --json", "plot --list 1",
    "histogram 1", "compare 1", "report 1", "export 1 --out -", "checkpoint 1", "weights 1 x", "notices", "wait 2",
    "cancel 1 --dry-run", "hold 1", "release 1", "requeue 1", "update 1 nice=5", "prio", "share", "usage", "free",
    "nodes", "completions bash", "gpus", "dial /nobody", "top", "admin account list", "admin user list",
    "admin qos list", "admin limit list", "admin reservation list", "admin node list", "admin token list",
    "admin share root/nobody 2", "admin diag", "admin audit", "admin batch /dev/null", "admin eta-report",
    "admin report", "admin replay --at now", "admin what-if add",
)
# fmt: on


def measure() -> list[Row]:
    """Return what each verb costs, and that in bare Pythons."""
    gpuq = str(Path(sys.executable).with_name("gpuq"))
    with plain_gpuqd() as daemon:
        script = daemon.folder / "train.py"
        script.write_text(_SCRIPT)
        env = {**os.environ, "GPUQ_SOCKET": daemon.client.path}
        for name in ("PYTHONUNBUFFERED", "PYTHONPATH"):
            env.pop(name, None)
        daemon.enqueue(_SCRIPT, workers=2)
        done = daemon.enqueue(_SCRIPT, workers=2)
        daemon.client.cancel(done)
        commands = {"bare": [sys.executable, "-c", "pass"]}
        commands |= {line: [gpuq, *(str(script) if word == "@" else word for word in line.split())] for line in _LINES}
        for argv in commands.values():  # so that its bytecode is there
            _cpu_ms(argv, env)
        taken: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(_ROUNDS):  # in turn, so that a busy moment meets all of them
            for name, argv in commands.items():
                taken[name].append(_cpu_ms(argv, env))
    bare = quantile(taken.pop("bare"), 0.5)
    rows = [Row(name="start: python -c pass", value=bare, unit="CPU ms")]
    for line, values in taken.items():
        aim = _AIM_OFTEN if line.split(" ")[0] in _OFTEN else _AIM
        name = f"start: gpuq {line}".rstrip()
        rows.append(Row(name=name, value=quantile(values, 0.5) / bare, unit="x bare Python", aim=f"<= {aim}"))
    return rows


def _cpu_ms(argv: list[str], env: dict[str, str]) -> float:
    """Return the CPU time of one command."""
    before = _children_s()
    done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if b"--help" in done.stderr or b"Traceback" in done.stderr:  # then it was not what it was to be
        raise AssertionError(f"{argv}: {done.stderr.decode()}")
    return (_children_s() - before) * 1e3


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
