"""Which jobs a command means: numbers, ranges, tasks of arrays, and filters over what they are.

`12`, `12-15`, `1,2,7`; `120_3`, `120_3-7`, `120_[0-3,7%4]` as the queue prints it; and words of `gpuq.filters` that
say what they look at (`gpus>4`, `name=re*`). Options narrow it further. Nothing here asks gpuqd.
"""

from __future__ import annotations

from gpuq.errors import NotFoundError, UsageError
from gpuq.states import parse_states
from gpuq.text import clean, fit
from gpuq.units import parse_job_id, parse_past, parse_task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from gpuq.client import Json

    Named = tuple[int, int | None]  # a job, or a task of an array by its index

_MOST_TASKS = 100_000


class Selection:
    """The jobs that words and options mean.

    `named` are those given singly, in their order; `spans` ranges of numbers, ends included; `filters` words, and
    `user`, `account`, `partition`, `states`, `name`, `since` (submitted at or after, Unix seconds) what else must hold.
    `is_everybodys`: everybody's were asked for, by the user `all`; `user` is None then.
    """

    def __init__(self, words: Iterable[str], asked: Mapping[str, str | None], *, now: float) -> None:
        """Read words and the options user, account, partition, state, name and since.

        Raises:
            UsageError: one of them cannot be read.
        """
        self.named: list[Named] = []
        self.spans: list[tuple[int, int]] = []
        self.filters: list[str] = []
        for option, value in asked.items():
            if isinstance(value, str) and not value.strip() and option != "state":
                raise UsageError(f"--{option} is empty: say which, or leave it out.")
        for word in words:
            self._read(word)
        self.is_everybodys = asked.get("user") == "all"
        self.user = None if self.is_everybodys else asked.get("user")
        self.states = parse_states((asked.get("state") or "",))
        since = asked.get("since")
        self.since = None if since is None else parse_past(since, now=now)
        for option, field in (("account", "account"), ("partition", "partition"), ("name", "name"), ("qos", "qos")):
            if asked.get(option) is not None:
                self.filters.append(f"{field}={asked[option]}")
        self._passes = _passing(self.filters)

    def _read(self, word: str) -> None:
        if word[:1].isascii() and word[:1].isdigit():
            self._read_numbers(word)
            return
        from gpuq.filters import is_expression  # loads `re`, for those who look at what jobs are

        if is_expression(word):
            self.filters.append(word)
        else:
            shown = fit(clean(word), 60)
            raise UsageError(
                f"'{shown}' is no job: give numbers (12, 12-15, 12_3), or say what to look at, as in "
                f"name={shown or '*'}."
            )

    def _read_numbers(self, word: str) -> None:
        array, underscore, tasks = word.partition("_")
        if underscore:
            number = parse_job_id(array)
            self.named += [(number, index) for index in _indexes(tasks, word)]
            return
        for part in word.split(","):
            first, dash, last = part.partition("-")
            if not dash:
                self.named.append((parse_job_id(part), None))
                continue
            if not last:
                raise UsageError(f"'{fit(clean(part), 60)}' is a range without an end: write 12-15.")
            low, high = parse_job_id(first), parse_job_id(last)
            if low > high:
                raise UsageError(f"{fit(clean(part), 60)} is an empty range: write the smaller number first.")
            self.spans.append((low, high))

    @property
    def has_numbers(self) -> bool:
        """Whether jobs are named by number, and not only by what they are."""
        return bool(self.named or self.spans)

    @property
    def is_list(self) -> bool:
        """Whether it is nothing but single jobs, so that nobody need be asked which ones they are."""
        return bool(self.named) and not (self.spans or self.narrows)

    @property
    def narrows(self) -> bool:
        """Whether anything but numbers chooses."""
        return bool(self.filters or self.states or self.user or self.since is not None)

    def keeps(self, job: Json) -> bool:
        """Whether a job, as the API tells it, is meant."""
        return (
            (not self.has_numbers or self._is_numbered(job))
            and (not self.states or job["state"] in self.states)
            and (self.user is None or job["user"] == self.user)
            and (self.since is None or job["submitted_at"] >= self.since)
            and self._passes(job)
        )

    def _is_numbered(self, job: Json) -> bool:
        number, array = job["id"], job.get("array_id")
        return (
            any(low <= number <= high for low, high in self.spans)
            or any(number == one and index is None for one, index in self.named)
            or (
                array is not None
                and any(array == one and index in (None, job["array_index"]) for one, index in self.named)
            )
        )


def task_of(job: Json) -> Named:
    """Return how exactly this job is named: a task of an array by its index, so that its number means no other."""
    return (job["id"], None) if job.get("array_id") is None else (job["array_id"], job["array_index"])


def none_found(selection: Selection) -> NotFoundError:
    """Return the error of a selection that no job passes."""
    what = "job that all of that fits" if selection.narrows else "such job"
    return NotFoundError(f"There is no {what}: `gpuq queue` and `gpuq history` show what there is.")


def _indexes(text: str, word: str) -> list[int]:
    """Return the indexes of `3`, `3-7`, `0-3,7` or `[0-3,7%4]`."""
    inner = text[1:-1].partition("%")[0] if text.startswith("[") and text.endswith("]") else text
    found: list[int] = []
    for part in inner.split(","):
        first, dash, last = part.partition("-")
        low = _index(first, word)
        high = _index(last, word) if dash else low
        if low > high or len(found) + high - low >= _MOST_TASKS:
            raise UsageError(
                f"'{fit(clean(word), 60)}' is an empty range or too long a one: at most {_MOST_TASKS} tasks."
            )
        found += range(low, high + 1)
    return found


def _index(text: str, word: str) -> int:
    try:
        index = parse_task(f"1_{text}")[1]
    except UsageError:
        index = None
    if index is None:
        raise UsageError(
            f"'{fit(clean(word), 60)}' is not a task of an array: write JOB_INDEX, for example 12_3 or 12_3-7."
        )
    return index


def _passing(filters: Sequence[str]) -> Callable[[Json], bool]:
    if not filters:
        return lambda _: True
    from gpuq.filters import matcher

    return matcher(filters, _field)


def _field(job: Json, name: str) -> object:
    return job.get(name)
