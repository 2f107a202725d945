"""A job as the stream told it, of which each field is read when somebody asks for it: most are never on the screen."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

from gpuq.client import Json
from gpuq.models import EndReason, Job, JobState, Reason
from gpuq.wire import decode
from gpuq_tui.foreign import cleaned
from gpuq_tui.lines.line import Look

_DEFAULTS = {one.name: one.default for one in fields(Job)}
_NEEDED = frozenset(name for name, default in _DEFAULTS.items() if default is MISSING)
_NESTED = ("ranks", "signals", "progress", "hparams")
_LISTS = (*_NESTED[:2], "hparams", "args", "nodes", "error_tail")
_STATES: dict[str, JobState] = {str(state): state for state in JobState}
_ENUMS: dict[str, type[Reason | EndReason]] = {"reason": Reason, "end_reason": EndReason}
_KNOWN_REASONS = {name: {None, *map(str, kind)} for name, kind in _ENUMS.items()}
_put = object.__setattr__


class ToldJob(Job):
    """A job of one row, whose fields are cleaned and kept one by one. It is equal to the same job read at once."""

    __slots__ = ("_look", "_row")

    _row: Json
    _look: Look

    def __getattr__(self, name: str) -> Any:
        """Read a field that nobody has asked for yet: an empty slot is no attribute."""
        if name not in _DEFAULTS:
            raise AttributeError(name)
        value = self._row.get(name, _DEFAULTS[name])
        if name in _LISTS:
            value = tuple(cleaned(value, self._look)) if value else ()
        elif value is not None and name in _ENUMS:
            value = _ENUMS[name](value)
        elif isinstance(value, str):
            value = cleaned(value, self._look)
        _put(self, name, value)
        return value

    def __eq__(self, other: object) -> bool:
        """Whether all fields are the same."""
        return isinstance(other, Job) and all(getattr(self, name) == getattr(other, name) for name in _DEFAULTS)

    __hash__ = Job.__hash__


def told_job(row: Json, look: Look) -> Job:
    """Return the job of a row; what is wrong with the row is found here and not when it is shown.

    Raises:
        KeyError: a field that every job has is missing.
        ValueError: a state or reason is unknown.
        TypeError: it is not a row.
    """
    if any(row.get(name) for name in _NESTED):
        return decode(Job, cleaned(row, look))
    if not row.keys() >= _NEEDED:
        raise KeyError(min(_NEEDED - row.keys()))
    for name, known in _KNOWN_REASONS.items():
        if row.get(name) not in known:
            raise ValueError(f"{row[name]!r} is not a valid {name}")
    job = ToldJob.__new__(ToldJob)
    _put(job, "_row", row)
    _put(job, "_look", look)
    _put(job, "id", row["id"])
    _put(job, "state", _STATES.get(row["state"]) or JobState(row["state"]))
    return job
