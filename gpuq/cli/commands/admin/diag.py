"""`gpuq admin diag`."""

from __future__ import annotations

from gpuq.cli import declare, terminal
from gpuq.cli.views.diag import diag_lines
from gpuq.client_admin import AdminClient


@declare.command("diag", short_help="Show how gpuqd itself fares, as sdiag does.")
@declare.option("--reset", is_flag=True, help="Show the numbers, then let all of them begin anew.")
@declare.option("--json", "as_json", is_flag=True, help="Print the numbers as a JSON object.")
def command(reset: bool, as_json: bool) -> None:
    """Show how gpuqd itself fares, as sdiag does: scheduling, database, API, event loop, memory."""
    client = AdminClient()
    found = client.reset_diag() if reset else client.diag()
    if as_json:
        terminal.say_json(found)
        return
    mark = "…" if terminal.is_utf8() else "~"
    terminal.say("\n".join(diag_lines(found, width=terminal.width(), mark=mark)))
    if reset:
        terminal.say("The counts begin anew.")
