"""What may come next on a command line: verbs, options, and names that gpuqd knows."""

from __future__ import annotations

import click

from gpuq.cli.group import root
from gpuq.states import SHORT_STATES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Protocol

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
    command, context, rest = _command(words)
    if isinstance(command, click.Group) and not rest and not part.startswith("-"):
        return _beginning(part, command.list_commands(context))
    options = [param for param in command.params if isinstance(param, click.Option)]
    waiting = _waiting(options, rest)
    if waiting is not None:
        return _beginning(part, _values(waiting, known))
    if part.startswith("-"):
        return _beginning(part, (name for option in options for name in option.opts if name.startswith("--")))
    arguments = [param for param in command.params if isinstance(param, click.Argument)]
    return _beginning(part, (value for argument in arguments for value in _values(argument, known)))


def _command(words: Sequence[str]) -> tuple[click.Command, click.Context, Sequence[str]]:
    """Return the command that `words` begin with, and the words that are left."""
    command: click.Command = root
    context, rest = click.Context(root, info_name="gpuq"), list(words)
    while isinstance(command, click.Group) and rest:
        found = command.get_command(context, rest[0])
        if found is None:
            break
        command, rest = found, rest[1:]
        context = click.Context(command, parent=context, info_name=command.name)
    return command, context, rest


def _waiting(options: Sequence[click.Option], rest: Sequence[str]) -> click.Option | None:
    """Return the option whose value is typed, if the last word is one that takes a value."""
    if not rest:
        return None
    return next((o for o in options if rest[-1] in o.opts and not o.is_flag and not o.count), None)


def _values(param: click.Parameter, known: Known) -> Iterable[str]:
    if isinstance(param.type, click.Choice):
        return [str(choice) for choice in param.type.choices]
    kind = _KINDS.get(param.name or "", "")
    return _FIXED.get(kind) or known.get(kind, ())


def _beginning(part: str, names: Iterable[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if name.startswith(part)]
