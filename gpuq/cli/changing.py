"""Does one thing to several jobs; what one refuses does not keep the others from it."""

from __future__ import annotations

from gpuq.cli import terminal
from gpuq.cli.selecting import chosen, is_wanted
from gpuq.cli.views.job import change_line
from gpuq.errors import ForbiddenError, NotFoundError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from gpuq.client import Client, Json

    Asked = Mapping[str, Any]


def change_chosen(
    client: Client,
    words: Sequence[str],
    asked: Asked,
    *,
    verb: str,
    states: frozenset[str],
    change: Callable[[int, int | None], Json],
    told: str | Callable[[int, int | None, Json | None, Json], str],
    as_json: bool,
    changes: str = "",
) -> int:
    """Change every job that words and options choose and say so; return the exit code: the largest that came up.

    `verb` is the command's own name, `states` those that it can change, `change` does it to a job (or task) and returns
    it; `changes` is what a dry run adds. `told` is what was done, or makes the line from number, index, the job before
    (where it is known) and after. `asked` holds `dry_run` and `yes` beside the options of `selects_jobs`.

    Raises:
        UsageError: a word names no job; nothing was changed.
        NotFoundError: no job passes.
    """
    jobs = chosen(client, words, asked, states=states, verb=verb)
    dry_run, yes = bool(asked.get("dry_run")), bool(asked.get("yes"))
    if not is_wanted(client, jobs, verb, dry_run=dry_run, yes=yes, changes=changes):
        return 0
    code = 0
    for (job_id, index), before in jobs:
        try:
            after = change(job_id, index)
        except (NotFoundError, ForbiddenError, UsageError) as error:
            terminal.say_error(str(error))
            code = max(code, error.exit_code)
            continue
        if as_json:
            terminal.say_json(after)
        else:
            line = change_line(after, index, told) if isinstance(told, str) else told(job_id, index, before, after)
            terminal.say(line)
    return code
