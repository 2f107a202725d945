"""`gpuq admin reservation`."""

from __future__ import annotations

import time

from gpuq.cli import declare, terminal
from gpuq.cli.commands.admin.listing import say_done, say_list
from gpuq.cli.commands.admin.what_if import decides
from gpuq.client_admin import AdminClient
from gpuq.errors import UsageError
from gpuq.units import moment, parse_moment, parse_time_limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gpuq.client import Json


@declare.group("reservation", short_help="Keep nodes for a while, for maintenance or for some.")
def command() -> None:
    """Keep nodes for a while: for maintenance, or for some accounts and users."""


@command.command("create")
@declare.argument("name")
@declare.option("--nodes", required=True, help="Which nodes, as n1,n2; `gpuq nodes` lists them.")
@declare.option("--start", help="From when: now+2hours, HH:MM, YYYY-MM-DDTHH:MM. [now]")
@declare.option("--end", help="Until when, in the same forms.")
@declare.option("--duration", help="Or for how long: 90 (minutes), 2h, 1d12h, D-HH:MM.")
@declare.option("--accounts", default="", help="Whose jobs may use it, as vis,nlp.")
@declare.option("--users", default="", help="Who may use it, as ann,bob.")
@declare.option("--json", "as_json", is_flag=True, help="Print the reservation as one JSON object.")
@decides
def create(
    client: AdminClient,
    name: str,
    nodes: str,
    start: str | None,
    end: str | None,
    duration: str | None,
    accounts: str,
    users: str,
    as_json: bool,
) -> None:
    """Keep nodes under NAME. Without --accounts and --users it is a maintenance window: nothing runs there.

    Jobs that would reach into it are not started there, so it begins on time. Who may use it asks for it with
    `gpuq enqueue --reservation NAME`.
    """
    start_at, end_at = window(start, end, duration, now=time.time())
    asked: Json = {
        "name": name,
        "nodes": _names(nodes),
        "end_at": end_at,
        "accounts": _names(accounts),
        "users": _names(users),
    }
    if start_at is not None:
        asked["start_at"] = start_at
    made = client.add_reservation(asked)
    if as_json:
        terminal.say_json(made)
        return
    span = f"from {moment(made['start_at'])} to {moment(made['end_at'])}"
    say_done(f"Reservation {name} keeps {', '.join(made['nodes'])} {span} for {_whom(made)}.")


@command.command("delete")
@declare.argument("name")
@decides
def delete(client: AdminClient, name: str) -> None:
    """Give the nodes of the reservation NAME back."""
    client.delete_reservation(name)
    say_done(f"Reservation {name} is deleted.")


@command.command("list")
@declare.option("--json", "as_json", is_flag=True, help="Print a JSON array of reservations.")
def list_reservations(as_json: bool) -> None:
    """List the reservations that have not ended."""
    found = AdminClient().reservations()
    if as_json:
        terminal.say_json(found)
        return
    rows = [
        (one["name"], moment(one["start_at"]), moment(one["end_at"]), ",".join(one["nodes"]), _whom(one))
        for one in found
    ]
    say_list(("RESERVATION", "START", "END", "NODES", "FOR"), rows, none="There is no reservation.")


def window(start: str | None, end: str | None, duration: str | None, *, now: float) -> tuple[float | None, float]:
    """Return from when (None: as soon as it is made) to when a reservation lasts.

    Raises:
        UsageError: there is not exactly one of `end` and `duration`, or one of the times is none.
    """
    if (end is None) == (duration is None):
        raise UsageError("A reservation needs an end: give either --end or --duration.")
    start_at = None if start is None or start.strip().lower() == "now" else parse_moment(start, now=now)
    if end is not None:
        return start_at, parse_moment(end, now=now)
    assert duration is not None
    return start_at, (now if start_at is None else start_at) + parse_time_limit(duration)


def _names(words: str) -> list[str]:
    return [word.strip() for word in words.split(",") if word.strip()]


def _whom(one: Json) -> str:
    named = [*one["accounts"], *(f"user {user}" for user in one["users"])]
    return ", ".join(named) or "maintenance"
