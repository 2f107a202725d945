"""`gpuq notices`."""

from __future__ import annotations

from gpuq.cli import declare, terminal
from gpuq.cli.naming import number_of
from gpuq.cli.queue import me
from gpuq.cli.views.notices import notice_lines
from gpuq.client import Client
from gpuq.errors import UsageError


@declare.command("notices")
@declare.argument("job_id", metavar="[ID]", required=False)
@declare.option("--user", "-u", help="Of this user, or all; for operators. [you]")
@declare.option("--state", "-s", type=declare.Choice(["waiting", "sent", "dropped"]), help="Only these.")
@declare.option("--limit", default=50, type=declare.IntRange(1, 1000), help="At most so many, the newest. [50]")
@declare.option("--key", "wants_key", is_flag=True, help="Print the key that your webhooks are signed with.")
@declare.option("--json", "as_json", is_flag=True, help="Print a JSON array of messages.")
def command(
    job_id: str | None, user: str | None, state: str | None, limit: int, wants_key: bool, as_json: bool
) -> None:
    """Show what you are told of your jobs (`gpuq enqueue --notify`): what was sent, what waits, what was given up.

    A webhook is a POST of JSON. Its X-Gpuq-Signature is "v0=" and the HMAC-SHA256, by your key, of
    "v0:<X-Gpuq-Timestamp>:<body>"; what has an X-Gpuq-Id that came before is the same message again.
    """
    client = Client()
    if wants_key:
        if job_id is not None or user is not None or state is not None:
            raise UsageError("The key is yours, whatever the message: `gpuq notices --key`.")
        found = client.notices_key()
        terminal.say_json(found) if as_json else terminal.say(found["key"])
        return
    number = None if job_id is None else int(client.job(number_of(client, job_id))["id"])
    messages = client.messages(job=number, user=_whose(user), state=state, limit=limit)
    if as_json:
        terminal.say_json(messages)
        return
    mark = "…" if terminal.is_utf8() else "~"
    terminal.say("\n".join(notice_lines(messages, width=terminal.width(), mark=mark)))


def _whose(user: str | None) -> str | None:
    """Return whose messages are asked for, None for everybody's."""
    if user == "all":
        return None
    return me() if user in (None, "me") else user
