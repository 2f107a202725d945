"""Does one thing to several jobs; what one refuses does not keep the others from it."""

from __future__ import annotations

from gpuq.cli import terminal
from gpuq.cli.views.job import change_line
from gpuq.errors import ForbiddenError, NotFoundError, UsageError
from gpuq.units import parse_task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gpuq.client import Json


def change_each(words: Sequence[str], change: Callable[[int, int | None], Json], done: str, *, as_json: bool) -> int:
    """Change every job (or task) named and say so; return the exit code: the largest of what was refused.

    Raises:
        UsageError: a word names no job; nothing was changed.
    """
    named = [parse_task(word) for word in words]
    code = 0
    for job_id, index in named:
        try:
            after = change(job_id, index)
        except (NotFoundError, ForbiddenError, UsageError) as error:
            terminal.say_error(str(error))
            code = max(code, error.exit_code)
            continue
        if as_json:
            terminal.say_json(after)
        else:
            terminal.say(change_line(after, index, done))
    return code
