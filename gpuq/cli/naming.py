"""Jobs as people name them: by number, a task of an array also as `12_3`."""

from __future__ import annotations

from gpuq.units import parse_task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gpuq.client import Client


def number_of(client: Client, word: str) -> int:
    """Return the number of the job that `word` names; gpuqd is asked for that of a task.

    Raises:
        UsageError: it names none.
        NotFoundError: there is no such task, or the number is larger than any job's can be.
    """
    number, index = parse_task(word)
    return number if index is None else int(client.job(number, index=index)["id"])
