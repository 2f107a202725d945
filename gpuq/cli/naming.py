"""Jobs as people name them: by number, a task of an array also as `12_3`."""

from __future__ import annotations

from gpuq.cli.views.queue import shown_id
from gpuq.units import parse_task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gpuq.client import Client, Json


def is_array(job: Json, index: int | None) -> bool:
    """Whether a job that was named without or with a task's `index` stands for its whole array."""
    return index is None and job.get("array_id") == job["id"]


def is_number(word: str) -> bool:
    """Whether a word names a job, or a task of an array, by its number alone: `12`, `12_3`."""
    number, _, index = word.partition("_")
    return number.isascii() and number.isdigit() and (index.isdigit() or "_" not in word)


def number_of(client: Client, word: str) -> int:
    """Return the number of the job that `word` names; gpuqd is asked for that of a task.

    Raises:
        UsageError: it names none.
        NotFoundError: there is no such task, or the number is larger than any job's can be.
    """
    number, index = parse_task(word)
    return number if index is None else int(client.job(number, index=index)["id"])


def names_of_active(client: Client) -> dict[int, str]:
    """Return what the jobs that hold GPUs are called, by number: a task of an array by its place, `12_3`."""
    return {job["id"]: shown_id(job) for job in client.queue()["jobs"]}


def tell_of_unknown(account: str | None) -> None:
    """Say on stderr that there is no such account: for where nothing was found, which then is no wonder."""
    if account is None:
        return
    from gpuq.cli import terminal
    from gpuq.client_admin import AdminClient
    from gpuq.near import hint
    from gpuq.text import clean, fit

    known = [one["name"] for one in AdminClient().accounts()["accounts"]]
    if known and account not in known:
        there = hint(account, known, "`gpuq admin account list` shows those that there are.")
        terminal.say_error(f"There is no account '{fit(clean(account), 40)}'; {there}")


def jobs_named(client: Client, number: int, index: int | None = None) -> list[Json]:
    """Return the job of a number, or that task of an array; of an array's number alone all its tasks, by index.

    Raises:
        NotFoundError: there is no such job or task.
    """
    job = client.job(number, index=index)
    return client.tasks(number) if is_array(job, index) else [job]
