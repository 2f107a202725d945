"""`gpuq dial`."""

from __future__ import annotations

import click

from gpuq.dialing import dial


@click.command("dial")
@click.argument("socket", required=False)
def command(socket: str | None) -> int:
    """Join standard input and output to gpuqd's socket; `ssh://` runs this on gpuqd's host."""
    return dial(socket)
