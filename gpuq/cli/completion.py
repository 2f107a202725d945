"""What may come next on a command line: verbs, options, and names that gpuqd knows."""

from __future__ import annotations

from gpuq.cli.commands import ROOT
from gpuq.cli.declare import Argument, Choice, Group, Option
from gpuq.states import SHORT_STATES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Protocol

    from gpuq.cli.declare import Param, Verb

    class Known(Protocol):
        """Names by kind, as a mapping gives them."""

        def get(self, kind: str, default: Sequence[str], /) -> Sequence[str]:
            """Return the names of a kind."""
            ...


# Which of the known names a parameter takes, by the parameter's own name.
_KINDS = {
    **dict.fromkeys(("job_id", "job_ids", "dependency"), "jobs"),
    **dict.fromkeys(("user", "users"), "users"),
    **dict.fromkeys(("account", "accounts", "parent"), "accounts"),
    **dict.fromkeys(("node", "nodes"), "nodes"),
    "partition": "partitions",
    "qos": "qos",
    "state": "states",
    **dict.fromkeys(("tag", "tags"), "tags"),
}
_FIXED = {"states": tuple(SHORT_STATES.values())}


def candidates(words: Sequence[str], part: str, known: Known) -> list[str]:
    """Return what the word `part`, which comes after `words`, may become, in the order of the help or of the names.

    `known` holds names by kind: jobs, users, accounts, nodes, partitions, qos, tags; a kind that it lacks completes to
    nothing.
    """
    found, rest = _verb(words)
    if isinstance(found, Group):
        return [] if rest or part.startswith("-") else _beginning(part, found.names)
    options = [param for param in found.params if isinstance(param, Option)]
    waiting = _waiting(options, rest)
    if waiting is not None:
        return _beginning(part, _values(waiting, known))
    if part.startswith("-"):
        return _beginning(part, (name for option in options for name in option.on if name.startswith("--")))
    arguments = [param for param in found.params if isinstance(param, Argument)]
    return _beginning(part, (value for argument in arguments for value in _values(argument, known)))


def _verb(words: Sequence[str]) -> tuple[Verb | Group, Sequence[str]]:
    """Return what `words` begin with, and the words that are left."""
    found: Verb | Group = ROOT
    place = 0
    while isinstance(found, Group) and place < len(words):
        below = found.get(words[place])
        if below is None:
            break
        found, place = below, place + 1
    return found, words[place:]


def _waiting(options: Sequence[Option], rest: Sequence[str]) -> Option | None:
    """Return the option whose value is typed, if the last word is one that takes a value."""
    return next((one for one in options if rest and one.takes_value and rest[-1] in one.on), None)


def _values(param: Param, known: Known) -> Iterable[str]:
    if isinstance(param.type, Choice):
        return param.type.choices
    kind = _KINDS.get(param.name, "")
    return _FIXED.get(kind) or known.get(kind, ())


def _beginning(part: str, names: Iterable[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if name.startswith(part)]
