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
    """Return the states named by words such as `pd,R` or `FAILED`, in any case.

    Raises:
        UsageError: a word is no state.
    """
    names = {short: state for state, short in SHORT_STATES.items()} | {state: state for state in SHORT_STATES}
    found: set[str] = set()
    for word in ",".join(words).replace(" ", ",").split(","):
        if not word:
            continue
        if word.upper() not in names:
            known = ", ".join(f"{short} {state}" for state, short in SHORT_STATES.items())
            raise UsageError(f"'{clean(word)[:40]}' is not a job state; states are {known}.")
        found.add(names[word.upper()])
    return frozenset(found)
