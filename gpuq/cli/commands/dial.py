"""`gpuq dial`."""

from __future__ import annotations

from gpuq.cli import declare
from gpuq.dialing import dial


@declare.command("dial")
@declare.argument("socket", required=False)
def command(socket: str | None) -> int:
    """Join standard input and output to gpuqd's socket; `ssh://` runs this on gpuqd's host."""
    return dial(socket)
