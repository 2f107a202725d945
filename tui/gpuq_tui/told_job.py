"""Jobs as the stream told them: kept by column, since there may be a hundred thousand that are much alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any

from gpuq.client import Json
from gpuq.models import EndReason, Job, JobState, Reason
from gpuq.wire import decode
from gpuq_tui.foreign import cleaned
from gpuq_tui.lines.line import Look

_DEFAULTS = {one.name: one.default for one in fields(Job)}
_NEEDED = frozenset(name for name, default in _DEFAULTS.items() if default is MISSING)
_NESTED = ("ranks", "signals", "progress", "hparams")
_LISTS = frozenset(("args", "nodes", "error_tail"))
_ENUMS: dict[str, Callable[[Any], Any]] = {"state": JobState, "reason": Reason, "end_reason": EndReason}
_PLAIN = frozenset((int, float, bool, type(None)))


class Table:
    """Fields of jobs by column: `same` is what all have in common. All of it is clean, and as the models have it."""

    __slots__ = ("_columns", "_same")

    def __init__(self, same: Mapping[str, Any], columns: Mapping[str, Sequence[Any]]) -> None:
        self._same, self._columns = same, columns

    def field(self, name: str, at: int) -> Any:
        """Return a field of the job at a place; what was not told is as in a job of which nobody says otherwise."""
        column = self._columns.get(name)
        return column[at] if column is not None else self._same.get(name, _DEFAULTS[name])

    def row(self, at: int) -> Json:
        """Return all that was told of the job at a place."""
        return {**self._same, **{name: column[at] for name, column in self._columns.items()}}

    def jobs(self, count: int) -> list[Job]:
        """Return its jobs."""
        ids, states = self._columns.get("id"), self._columns.get("state")
        ids = [self._same["id"]] * count if ids is None else ids
        states = [self._same["state"]] * count if states is None else states
        return list(map(ToldJob, [self] * count, range(count), ids, states))


class ToldJob(Job if TYPE_CHECKING else object):
    """A job in a table: equal to the same job read at once, in a tenth of the memory. Fields cannot be set."""

    __slots__ = ("_at", "_table", "id", "state")

    def __init__(self, table: Table, at: int, job_id: int, state: JobState) -> None:  # pyright: ignore[reportMissingSuperCall]
        self._table, self._at = table, at
        self.id, self.state = job_id, state  # pyright: ignore[reportAttributeAccessIssue] - by everybody else

    def __getattr__(self, name: str) -> Any:
        """Read a field."""
        if name not in _DEFAULTS:
            raise AttributeError(name)
        return self._table.field(name, self._at)

    if not TYPE_CHECKING:
        shown_id, rank_count = Job.shown_id, Job.rank_count

    def row(self) -> Json:
        """Return all that was told of it."""
        return self._table.row(self._at)

    def __eq__(self, other: object) -> bool:
        """Whether all fields are the same."""
        return isinstance(other, (Job, ToldJob)) and all(
            getattr(self, name) == getattr(other, name) for name in _DEFAULTS
        )

    def __hash__(self) -> int:
        """Return the same for the same job."""
        return hash(self.id)

    def __repr__(self) -> str:
        """Return which job it is."""
        return f"ToldJob({self.row()!r})"


def told_job(row: Json, look: Look) -> Job:
    """Return the job of a row; what is wrong with the row is found here and not when it is shown.

    Raises:
        KeyError: a field that every job has is missing.
        ValueError: a state or reason is unknown.
        TypeError: it is not a row.
    """
    if any(row.get(name) for name in _NESTED):
        return decode(Job, cleaned(row, look))
    return _table(row, {}, look).jobs(1)[0]


def told_jobs(rows: Sequence[Json], look: Look) -> list[Job]:
    """Return the jobs of rows, of which those that have not begun are a table.

    Raises:
        KeyError, ValueError, TypeError: as `told_job`.
    """
    plain = [row for row in rows if not any(row.get(name) for name in _NESTED)]
    jobs = [told_job(row, look) for row in rows if any(row.get(name) for name in _NESTED)]
    if not plain:
        return jobs
    columns = {name: [row[name] for row in plain] for name in _NEEDED}
    columns |= {name: [row.get(name, _DEFAULTS[name]) for row in plain] for name in _DEFAULTS.keys() - _NEEDED}
    return [*jobs, *_table({}, columns, look).jobs(len(plain))]


def told_table(data: Json, look: Look) -> list[Job]:
    """Return the jobs that were told by column, as `same` and `columns`.

    Raises:
        KeyError, ValueError, TypeError: as `told_job`, or the columns are not of one length.
    """
    columns: Mapping[str, Sequence[Any]] = data["columns"]
    count = min(map(len, columns.values()), default=1)
    if any(len(values) != count for values in columns.values()):
        raise ValueError("columns of several lengths")
    return _table(data["same"], columns, look).jobs(count)


def _table(same: Json, columns: Mapping[str, Sequence[Any]], look: Look) -> Table:
    if missing := _NEEDED - same.keys() - columns.keys():
        raise KeyError(min(missing))
    return Table(
        {
            name: value if type(value) in _PLAIN and name not in _NESTED else _value(name, value, look)
            for name, value in same.items()
            if name in _DEFAULTS
        },
        {name: _column(name, values, look) for name, values in columns.items() if name in _DEFAULTS},
    )


def _column(name: str, values: Sequence[Any], look: Look) -> Sequence[Any]:
    """Return values of a field, clean and as the models have them; like ones are one object."""
    if name in _NESTED:
        return [_value(name, value, look) for value in values]
    if name in _LISTS:
        values = [tuple[Any, ...](value or ()) for value in values]
    elif name not in _ENUMS and _PLAIN.issuperset(map(type, values)):
        return values
    made = {value: _value(name, value, look) for value in set(values)}
    return list(map(made.__getitem__, values))


def _value(name: str, value: Any, look: Look) -> Any:
    if name in _NESTED:
        if value:
            raise ValueError(f"{name} of many jobs at once")
        return _DEFAULTS[name]
    if name in _LISTS:
        return tuple(cleaned(list(value), look)) if value else ()
    if name in _ENUMS and value is not None:
        return _ENUMS[name](value)
    return cleaned(value, look)
