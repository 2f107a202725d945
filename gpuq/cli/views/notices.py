"""What owners are told of their jobs, as a table."""

from __future__ import annotations

from gpuq.cli.views.table import table
from gpuq.units import moment, plural

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpuq.client import Json

_HEAD = ("JOB", "EVENT", "BY", "TO", "WHEN", "STATE", "TRIES", "NEXT / WHY")


def notice_lines(messages: Sequence[Json], *, width: int | None = None, mark: str = "…") -> list[str]:
    """Return messages, the newest first."""
    if not messages:
        return ["Nothing was told, and nothing waits to be; `gpuq enqueue --notify ended,nan ...` asks for it."]
    rows = [
        (
            str(one["job_id"]),
            one["event"],
            one["kind"],
            _address(one),
            moment(one["at"]),
            one["state"],
            str(one["tries"]),
            "; ".join(filter(None, (f"at {moment(one['next_at'])}" if _is_tried(one) else "", one["said"]))) or "-",
        )
        for one in messages
    ]
    return table(_HEAD, rows, right=frozenset({"JOB", "TRIES"}), width=width, mark=mark)


def told_line(messages: Sequence[Json]) -> str | None:
    """Return in a line what has become of a job's messages; None where there is none."""
    counts = {state: sum(one["state"] == state for one in messages) for state in ("sent", "waiting", "dropped")}
    said = [f"{plural(n, 'message')} {state}" for state, n in counts.items() if n]
    why = next((one["said"] for one in messages if one["state"] != "sent" and one["said"]), None)
    return ", ".join(said) + (f" ({why})" if why else "") if said else None


def _is_tried(message: Json) -> bool:
    return message["state"] == "waiting" and message["tries"] > 0


def _address(message: Json) -> str:
    """Return where a message goes; of a webhook the host, for the rest is its secret."""
    address = str(message["address"])
    return "/".join(address.split("/", 3)[:3]) if message["kind"] == "webhook" else address
