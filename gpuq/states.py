"""A job's states as squeue writes them.

By name, since loading the enum costs more than printing a table; a test holds them against it.
"""

from __future__ import annotations

from gpuq.errors import UsageError
from gpuq.text import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

SHORT_STATES = {
    "PENDING": "PD",
    "CONFIGURING": "CF",
    "RUNNING": "R",
    "COMPLETING": "CG",
    "COMPLETED": "CD",
    "FAILED": "F",
    "CANCELLED": "CA",
    "TIMEOUT": "TO",
    "DEADLINE": "DL",
}
FINAL = frozenset({"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "DEADLINE"})


def parse_states(words: Iterable[str]) -> frozenset[str]:
    """Return the states named by words such as `pd,R`, `FAILED` or `pend`, the beginning of one, in any case.

    Raises:
        UsageError: a word is no state, or the beginning of several.
    """
    return frozenset(_state(word) for word in ",".join(words).replace(" ", ",").split(",") if word)


def _state(word: str) -> str:
    wanted = word.upper()
    for state, short in SHORT_STATES.items():
        if wanted in (state, short):
            return state
    alike = [state for state in SHORT_STATES if state.startswith(wanted)]
    if len(alike) == 1:
        return alike[0]
    if alike:
        raise UsageError(f"'{clean(word)[:40]}' may be {' or '.join(alike)}: write more of it.")
    known = ", ".join(f"{short} {state}" for state, short in SHORT_STATES.items())
    raise UsageError(f"'{clean(word)[:40]}' is not a job state; states are {known}.")
