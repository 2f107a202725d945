"""An array: what its tasks have in common, how many are where, and those that went wrong."""

from __future__ import annotations

from collections import Counter

from gpuq.cli.views.job import job_facts
from gpuq.cli.views.queue import comment, ranges, shown_id
from gpuq.cli.views.table import facts, table
from gpuq.cli.views.why import count_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpuq.client import Json

_SHARED = frozenset(
    ("User", "Account", "Partition", "Asks for", "Where", "When", "Script", "SHA-256", "Code", "Submitted")
)
_WRONG = frozenset(("FAILED", "TIMEOUT", "DEADLINE"))
_MOST = 20
_HEADER = ("TASK", "STATE", "EXIT", "ERROR")


def array_lines(tasks: Sequence[Json], now: float, *, width: int | None, mark: str = "…") -> list[str]:
    """Return counts by state, which tasks these are, what all have in common, and the first that went wrong."""
    first = tasks[0]
    number = first["array_id"]
    words = first["args"][: -2 * len(first["sweep"].split())] if first.get("sweep") else first["args"]
    holds = {task.get("hold") for task in tasks if task["state"] == "PENDING"}
    shared = {**first, "args": words, "hold": holds.pop() if len(holds) == 1 else None}
    at_once = None if first.get("throttle") is None else f"{first['throttle']} at once"
    lines = [
        count_line(number, Counter(task["state"] for task in tasks)),
        *facts(
            [
                ("Array", f"{number} ({first['name']})"),
                ("Sweep", first.get("sweep")),
                ("Tasks", at_once),
                *((name, value) for name, value in job_facts(shared, now) if name in _SHARED),
                *((state.capitalize(), _named(tasks, state)) for state in dict.fromkeys(t["state"] for t in tasks)),
            ]
        ),
    ]
    wrong = [task for task in tasks if task["state"] in _WRONG]
    if not wrong:
        return lines
    right = frozenset({"TASK", "EXIT"})
    lines += ["", *table(_HEADER, [_row(task) for task in wrong[:_MOST]], right=right, width=width, mark=mark)]
    if len(wrong) > _MOST:
        lines.append(f"and {len(wrong) - _MOST} more.")
    return [*lines, "", f"All of one: gpuq show {shown_id(wrong[0])}"]


def _named(tasks: Sequence[Json], state: str) -> str:
    """Return the tasks in a state as commands take them: `12_[0-3,7]`."""
    indexes = [task["array_index"] for task in tasks if task["state"] == state]
    places = ranges(indexes)
    return f"{tasks[0]['array_id']}_{places if len(indexes) == 1 else f'[{places}]'}"


def _row(task: Json) -> tuple[str, ...]:
    code = "-" if task["exit_code"] is None else str(task["exit_code"])
    return shown_id(task), task["state"], code, comment(task, {"nodes": []})
