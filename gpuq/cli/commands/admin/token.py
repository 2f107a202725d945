"""`gpuq admin token`."""

from __future__ import annotations

import sys

from gpuq.cli import declare, terminal
from gpuq.cli.commands.admin.listing import say_done, say_list
from gpuq.client_admin import AdminClient
from gpuq.errors import NotFoundError, UsageError
from gpuq.near import hint
from gpuq.text import clean, fit
from gpuq.units import moment, parse_time_limit


@declare.group("token", short_help="Make and revoke tokens, for asking over HTTPS.")
def command() -> None:
    """Make and revoke tokens, by which users of other hosts ask over HTTPS. Users make their own, admins anybody's."""


@command.command("create", short_help="Make a token and print it, this once.")
@declare.argument("user", required=False)
@declare.option("--expires", help="How long it is good, such as 30d or 12h. [for ever]")
@declare.option("--name", default="default", help="What it is for, such as laptop. [default]")
def create(user: str | None, expires: str | None, name: str) -> None:
    """Make a token for USER, or for yourself, and print it: this once, it is not kept."""
    made = AdminClient().create_token(user, name, None if expires is None else parse_time_limit(expires))
    terminal.say(made["token"])
    terminal.flush()
    sys.stderr.write("Keep it in ~/.config/gpuq/token, with mode 600; nobody can show it again.\n")


@command.command("list")
@declare.option("--json", "as_json", is_flag=True, help="Print a JSON array of tokens, without their secrets.")
def list_tokens(as_json: bool) -> None:
    """List your tokens, as an admin everybody's."""
    found = AdminClient().tokens()
    if as_json:
        terminal.say_json(found)
        return
    rows = [
        (
            str(t["id"]),
            t["user"],
            t["name"],
            moment(t["created_at"]),
            moment(t["expires_at"]),
            moment(t["last_used_at"]),
        )
        for t in found
    ]
    say_list(("ID", "USER", "NAME", "CREATED", "EXPIRES", "LAST USED"), rows, none="There are no tokens.")


@command.command("revoke", short_help="Let nobody in by a token any more.")
@declare.argument("which", metavar="ID|NAME")
def revoke(which: str) -> None:
    """Let nobody in by a token any more: by its ID in `gpuq admin token list`, or its NAME if no other has it."""
    client = AdminClient()
    number = int(which) if which.isascii() and which.isdigit() and len(which) < 19 else _number_of(client, which)
    say_done(f"The token {clean(client.revoke_token(number)['name'])} is revoked.")


def _number_of(client: AdminClient, name: str) -> int:
    """Return the number of the one token of a name.

    Raises:
        NotFoundError: there is none.
        UsageError: several have it.
    """
    found = client.tokens()
    numbers = [one["id"] for one in found if one["name"] == name]
    shown = f"'{fit(clean(name), 40)}'"
    if not numbers:
        there = hint(name, [one["name"] for one in found], "`gpuq admin token list` lists those there are.")
        raise NotFoundError(f"There is no token {shown}; {clean(there)}")
    if len(numbers) > 1:
        raise UsageError(f"{len(numbers)} tokens are called {shown}: give the ID of one, {numbers[0]} for example.")
    return numbers[0]
