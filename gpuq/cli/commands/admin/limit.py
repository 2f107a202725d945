"""`gpuq admin limit`."""

from __future__ import annotations

import math

from gpuq.cli import declare, terminal
from gpuq.cli.commands.admin.listing import say_done, say_list
from gpuq.cli.commands.admin.what_if import decides
from gpuq.client_admin import AdminClient
from gpuq.errors import UsageError
from gpuq.text import clean, fit
from gpuq.units import duration, parse_time_limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpuq.client import Json

KINDS = ("user", "account", "qos", "qos_user")
_COUNTS = {"running-gpus": "running_gpus", "running-jobs": "running_jobs", "queued-jobs": "queued_jobs"}
_NAMES = (*_COUNTS, "gpu-hours", "longest")
_MOST = 2**31 - 1


@declare.group("limit")
def command() -> None:
    """Say what a user, an account or a QOS may have.

    WHOM is user:NAME, account:NAME (with all below it), qos:NAME (all its jobs together) or qos_user:NAME (each user
    in that QOS).
    """


@command.command("set")
@declare.argument("whom")
@declare.argument("limits", metavar="LIMIT=VALUE...", nargs=-1, required=True)
@decides
def set_limits(client: AdminClient, whom: str, limits: tuple[str, ...]) -> None:
    """Limit WHOM; other limits of it stay. The value `none` takes one away.

    \b
    running-gpus=8    GPUs at once
    running-jobs=4    jobs at once
    queued-jobs=100   jobs that wait
    gpu-hours=500     GPU-hours in a period
    longest=2d        the longest time limit of a job
    """
    kind, name = scope(whom)
    client.set_limit(kind, name, changes(limits))
    say_done(f"The limits of {kind}:{name} are changed.")


@command.command("clear")
@declare.argument("whom")
@decides
def clear(client: AdminClient, whom: str) -> None:
    """Take all limits of WHOM away."""
    kind, name = scope(whom)
    client.clear_limit(kind, name)
    say_done(f"{kind}:{name} has no limits any more.")


@command.command("list")
@declare.option("--json", "as_json", is_flag=True, help="Print a JSON array of limits.")
def list_limits(as_json: bool) -> None:
    """List all limits."""
    found = AdminClient().limits()
    if as_json:
        terminal.say_json(found)
        return
    header = ("WHOM", *(name.upper() for name in _NAMES))
    say_list(header, [_row(one) for one in found], none="There is no limit.", right=frozenset(header[1:]))


def scope(whom: str) -> tuple[str, str]:
    """Return kind and name of a limited scope.

    Raises:
        UsageError: it is not of the form KIND:NAME.
    """
    kind, colon, name = whom.partition(":")
    if not colon or kind not in KINDS or not name:
        raise UsageError(f"{_shown(whom)} is not whom to limit: give {', '.join(f'{k}:NAME' for k in KINDS)}.")
    return kind, name


def changes(words: Sequence[str]) -> Json:
    """Return `running-gpus=8 longest=none` as fields of `sharing.LimitRow`.

    Raises:
        UsageError: a word is no limit.
    """
    found: Json = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or name not in _NAMES:
            raise UsageError(f"{_shown(word)} is not a limit: write {', '.join(f'{n}=VALUE' for n in _NAMES)}.")
        field = _COUNTS.get(name) or {"gpu-hours": "gpu_hours", "longest": "longest_s"}[name]
        found[field] = None if value == "none" else _value(name, value)
    return found


def _value(name: str, value: str) -> float:
    if name == "longest":
        return parse_time_limit(value)
    if name in _COUNTS:
        if value.isascii() and value.isdigit() and len(value) <= 10 and int(value) <= _MOST:
            return int(value)
        raise UsageError(f"{_shown(value)} cannot be {name}: give a whole number from 0, or `none`.")
    try:
        hours = float(value)
    except ValueError:
        hours = math.nan
    if not 0 <= hours <= 1e12:
        raise UsageError(f"{_shown(value)} cannot be {name}: give hours from 0, or `none`.")
    return hours


def _row(one: Json) -> tuple[str, ...]:
    counts = ["-" if one[field] is None else str(one[field]) for field in _COUNTS.values()]
    longest = "-" if one["longest_s"] is None else duration(one["longest_s"])
    hours = "-" if one["gpu_hours"] is None else f"{one['gpu_hours']:g}"
    return (f"{one['kind']}:{one['name']}", *counts, hours, longest)


def _shown(word: str) -> str:
    return f"'{fit(clean(word), 60)}'"
