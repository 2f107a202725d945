"""`gpuq admin share`."""

from __future__ import annotations

from gpuq.cli import declare
from gpuq.cli.commands.admin.listing import say_done
from gpuq.cli.commands.admin.what_if import decides
from gpuq.client_admin import AdminClient


@declare.command(
    "share",
    short_help="Give an account, or a user in it, its shares.",
    takes_unknown=True,
)  # so that -1 is refused as shares
@declare.argument("who", metavar="ACCOUNT[/USER]")
@declare.argument("shares")
@decides
def command(client: AdminClient, who: str, shares: str) -> None:
    """Give an account, or a user in it, its SHARES among its siblings: a whole number, or `parent`.

    With `parent` the members of an account compete one level up, and a user always comes first in the account without
    taking part of its shares.
    """
    account, slash, user = who.partition("/")
    if slash:
        client.modify_member(user, account, shares=shares)
    else:
        client.modify_account(account, shares=shares)
    name = f"user {user} in {account}" if slash else f"account {account}"
    say_done(f"The shares of {name} are {shares} now.")
