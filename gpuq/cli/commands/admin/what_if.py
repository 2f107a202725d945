"""`gpuq admin what-if`, and `--dry-run` of what administrators change."""

from __future__ import annotations

import time

from gpuq.cli import declare, terminal
from gpuq.cli.views.table import table
from gpuq.client_admin import AdminClient, TrialClient, TriedError
from gpuq.units import plural, roughly, time_about

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from gpuq.client import Json

_MOST = 40
_NEVER = "not seen"


@declare.command("what-if", short_help="Show whose start a change would move; make none.")
@declare.argument("change")
@declare.option("--json", "as_json", is_flag=True, help="Print who would move as one JSON object.")
def command(change: str, as_json: bool) -> None:
    """Show who would start when if CHANGE were made; nothing is changed.

    \b
    CHANGE is one of
        drain NODE [at TIME]        resume NODE [at TIME]
        share ACCOUNT[/USER]=N      add N [MODEL] [to PARTITION]
    as in gpuq admin what-if "drain node7 at 18:00". Whatever else admin commands
    change is tried by their own --dry-run.
    """
    say_what_if(AdminClient().what_if(change), as_json=as_json)


def decides(callback: Callable[..., None]) -> Callable[..., None]:
    """Give a command that changes what all jobs are ruled by a client to do it with, and `--dry-run`.

    With that, who would start when is printed, as JSON if the command has `--json`; nothing is changed.
    """

    @declare.option("--dry-run", is_flag=True, help="Show who would start when; change nothing.")
    def command(dry_run: bool, **asked: Any) -> None:
        if not dry_run:
            return callback(AdminClient(), **asked)
        try:
            callback(TrialClient(), **asked)
        except TriedError as end:
            return say_what_if(end.found, as_json=bool(asked.get("as_json")))
        raise AssertionError("what was to be tried changed nothing")

    return declare.in_place_of(callback, command)


def say_what_if(found: Json, *, as_json: bool = False) -> None:
    """Print who would move by how much."""
    if as_json:
        terminal.say_json(found)
    else:
        mark = "…" if terminal.is_utf8() else "~"
        terminal.say("\n".join(what_if_lines(found, time.time(), width=terminal.width(), mark=mark)))


def what_if_lines(found: Json, now: float, *, width: int | None, mark: str = "…") -> list[str]:
    """Return how many would move, and each of the first 40 with its two starts."""
    moved, waiting = found["moved"], plural(found["waiting"], "waiting job")
    more = "" if found["is_whole"] else " There was no time to try it as often as usual."
    if not moved:
        return [f"Of {waiting} nobody would start at another time. Nothing was changed.{more}"]
    later = sum(_by(one) > 0 for one in moved)
    first = f"Of {waiting} {later} would start later, {len(moved) - later} sooner. Nothing was changed.{more}"
    rows = [
        (str(one["job_id"]), one["name"], one["user"], one["account"], *_starts(one, now), _difference(one))
        for one in moved[:_MOST]
    ]
    header = ("JOB", "NAME", "USER", "ACCOUNT", "STARTS", "WOULD START", "BY")
    widest = {"NAME": 20, "USER": 12, "ACCOUNT": 12}
    left = len(moved) - len(rows)
    return [first, *table(header, rows, right=frozenset({"JOB"}), width=width, widest=widest, mark=mark)] + (
        [f"and {plural(left, 'more job')}; --json has all"] if left else []
    )


def _starts(one: Json, now: float) -> tuple[str, str]:
    before, after = (_start(at, now) for at in (one["before_at"], one["after_at"]))
    return before, after


def _start(at: float | None, now: float) -> str:
    if at is None:
        return _NEVER
    return "now" if at <= now else time_about(at, now)


def _by(one: Json) -> float:
    never = 1e18
    return (never if one["after_at"] is None else one["after_at"]) - (
        never if one["before_at"] is None else one["before_at"]
    )


def _difference(one: Json) -> str:
    by = _by(one)
    how = "later" if by > 0 else "sooner"
    return how if abs(by) > 1e15 else f"{roughly(abs(by))} {how}"
