"""`gpuq admin simulate`."""

from __future__ import annotations

import os
import sys

from gpuq.cli import declare
from gpuq.errors import UnavailableError


@declare.command(
    "simulate",
    short_help="Try policies on a trace, in virtual time.",
    takes_unknown=True,
    has_help=False,
)
@declare.argument("words", nargs=-1, metavar="TRACE [OPTIONS]")
def command(words: tuple[str, ...]) -> None:
    """Try policies on a trace, in virtual time, with the code that decides live.

    Needs no running gpuqd, but its package: `gpuq admin simulate --help` there tells all options.
    """
    from importlib.util import find_spec

    if find_spec("gpuq_daemon") is None:
        raise UnavailableError("Simulations run where gpuqd is installed: pip install 'gpuq-cluster[daemon]'.")
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "gpuq_daemon.simulate", *words])
