"""`gpuq admin qos`."""

from __future__ import annotations

from math import isfinite

from gpuq.cli import declare, terminal
from gpuq.cli.commands.admin.listing import say_done, say_list
from gpuq.cli.commands.admin.what_if import decides
from gpuq.client_admin import AdminClient
from gpuq.errors import UsageError

_PRIORITY = declare.option("--priority", type=int, help="Its priority; the highest of all counts in full. [0]")


_FACTOR = declare.option("--usage-factor", type=float, help="How many times the usual price a second has. [1]")


_ACCOUNTS = declare.option(
    "--accounts",
    metavar="NAME,...",
    help="Only jobs in or below these accounts may have it. [all]",
)


@declare.group("qos", short_help="Make, change, delete and list qualities of service.")
def command() -> None:
    """Make, change, delete and list qualities of service; `gpuq admin limit set qos:NAME` limits them."""


@command.command("add")
@declare.argument("name")
@_PRIORITY
@_FACTOR
@_ACCOUNTS
@decides
def add(client: AdminClient, name: str, priority: int | None, usage_factor: float | None, accounts: str | None) -> None:
    """Make the QOS NAME."""
    _check_factor(usage_factor)
    client.add_qos(name, priority=priority, usage_factor=usage_factor, accounts=_named(accounts))
    say_done(f"QOS {name} is made.")


@command.command("modify")
@declare.argument("name")
@_PRIORITY
@_FACTOR
@_ACCOUNTS
@decides
def modify(
    client: AdminClient, name: str, priority: int | None, usage_factor: float | None, accounts: str | None
) -> None:
    """Change the QOS NAME."""
    _check_factor(usage_factor)
    if priority is None and usage_factor is None and accounts is None:
        raise UsageError(f"Nothing to change of QOS {name}: give --priority, --usage-factor or --accounts.")
    client.modify_qos(name, priority=priority, usage_factor=usage_factor, accounts=_named(accounts))
    say_done(f"QOS {name} is changed.")


@command.command("delete")
@declare.argument("name")
@decides
def delete(client: AdminClient, name: str) -> None:
    """Delete the QOS NAME, which must have no jobs, with its limits."""
    client.delete_qos(name)
    say_done(f"QOS {name} is deleted.")


@command.command("list")
@declare.option("--json", "as_json", is_flag=True, help="Print a JSON array of QOS.")
def list_qos(as_json: bool) -> None:
    """List the QOS."""
    found = AdminClient().qos()
    if as_json:
        terminal.say_json(found)
        return
    rows = [
        (one["name"], str(one["priority"]), f"{one['usage_factor']:g}", ",".join(one["accounts"]) or "all")
        for one in found
    ]
    header = ("QOS", "PRIORITY", "USAGE FACTOR", "ACCOUNTS")
    say_list(header, rows, none="There is no QOS.", right=frozenset({"PRIORITY", "USAGE FACTOR"}))


def _check_factor(factor: float | None) -> None:
    if factor is not None and not isfinite(factor):
        raise UsageError("A usage factor must be a number from 0 to 1000000.")


def _named(accounts: str | None) -> list[str] | None:
    """Return the accounts of an option, none of them for "all"; None where the option was not given."""
    if accounts is None:
        return None
    return [] if accounts == "all" else [name.strip() for name in accounts.split(",")]
