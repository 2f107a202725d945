"""`gpuq admin replay`."""

from __future__ import annotations

import time

from gpuq.cli import declare, terminal
from gpuq.cli.views.table import table
from gpuq.client_admin import AdminClient
from gpuq.units import moment, parse_past, plural

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gpuq.client import Json


@declare.command("replay", short_help="Decide a pass on record again, from what it saw.")
@declare.option("--at", "at", required=True, metavar="TIME", help="14:05, 2026-11-26T14:05, now-2hours.")
@declare.option("--policy", help="multifactor, tiered, fair-first, easy, conservative or fifo-best-effort. [its own]")
@declare.option("--json", "as_json", is_flag=True, help="Print both decisions as one JSON object.")
def command(at: str, policy: str | None, as_json: bool) -> None:
    """Decide the last pass up to TIME again, from what it saw, or say what another policy would have done."""
    found = AdminClient().replay(parse_past(at, now=time.time()), policy)
    if as_json:
        terminal.say_json(found)
    else:
        mark = "…" if terminal.is_utf8() else "~"
        terminal.say("\n".join(replay_lines(found, width=terminal.width(), mark=mark)))


def replay_lines(found: Json, *, width: int | None, mark: str = "…") -> list[str]:
    """Return when the pass was and what it decided; of another policy what it would have, line by line."""
    when = f"The pass at {moment(found['at'])} saw {plural(found['waiting'], 'waiting job')}"
    policy = found["policy"]
    if policy is None:
        same = "the same is decided again" if found["is_same"] else "IT IS DECIDED OTHERWISE NOW"
        said, decisions = f"{when}; {same}.", found["recorded"] if found["is_same"] else found["again"]
    else:
        same = "the same as was decided" if found["is_same"] else f"not what was decided ({_count(found['recorded'])})"
        said, decisions = f"{when}. Under {policy}: {same}.", found["again"]
    if not decisions:
        return [said, "Nobody was started or stopped." if policy is None else "Nobody would be started or stopped."]
    rows = [
        (
            one["what"],
            one.get("task") or str(one["job_id"]),
            "" if one["for_job"] is None else f"for {one.get('for_task') or one['for_job']}",
            ", ".join(one["nodes"]),
        )
        for one in decisions
    ]
    return [said, *table(("", "JOB", "", "NODES"), rows, right=frozenset({"JOB"}), width=width, mark=mark)]


def _count(decisions: list[Json]) -> str:
    starts = sum(one["what"] == "start" for one in decisions)
    stops = sum(one["what"] in ("stop", "move") for one in decisions)
    return f"{plural(starts, 'start')}, {plural(stops, 'stop')}"
