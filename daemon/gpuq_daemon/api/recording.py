"""What a request that changes something leaves in the record of changes."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from gpuq.identity import AuditRow
from gpuq.text import clean, fit
from gpuq_daemon.api.caller import Asking, Caller, Role
from gpuq_daemon.store.jobs import Owner

T = TypeVar("T")
ENTRY = "gpuq.entry"  # among the extensions of an ASGI scope
_LONGEST = 400
_VERBS = {"POST": "add", "PATCH": "modify", "PUT": "set", "DELETE": "delete"}
_PART = re.compile(r"[^/]+")


@dataclass(slots=True, kw_only=True)
class Entry:
    """One request's row while it is made. The first of the request's writes that is made takes it along.

    `target_of` makes the target of what that transaction answers, where only this tells it.
    """

    at: float
    who: Caller
    verb: str
    target: str | None
    change: str | None = None
    target_of: Callable[[Any], str] | None = None
    taken_by: object | None = None
    is_closed: bool = False

    @property
    def is_written(self) -> bool:
        """Whether a write has taken it along."""
        return self.taken_by is not None

    def next_row(self) -> Callable[[Any], AuditRow | None] | None:
        """Return what makes the row of the answer of a write; None for a write after the request was answered.

        It makes one where no other write has taken the row, and makes it again if the same write is made again.
        """
        if self.is_closed:
            return None
        this = object()

        def row(answer: Any) -> AuditRow | None:
            if self.taken_by is None:
                self.taken_by = this
            if self.taken_by is not this:
                return None
            if self.target_of is not None:
                self.target = self.target_of(answer)
            return self.row("done")

        return row

    def told(self, before: T, after: T) -> T:
        """Note in what two values differ, and return the second."""
        self.change = difference(before, after)
        return after

    def row(self, outcome: str, error: str | None = None) -> AuditRow:
        """Return the row for what became of the request."""
        return AuditRow(
            at=self.at,
            uid=self.who.owner.uid,
            user=self.who.owner.user,
            token=self.who.token,
            source=self.who.source,
            verb=_short(self.verb),
            target=None if self.target is None else _short(self.target),
            change=None if self.change is None else _short(self.change),
            outcome=outcome,
            error=None if error is None else _short(error),
        )


def note(request: Asking, *, target: str | None = None, change: str | None = None) -> Entry:
    """Say what a request is about, and shortly what it changes, before it changes that."""
    entry: Entry = request.scope["extensions"][ENTRY]  # what the gate put there
    entry.target = entry.target if target is None else target
    entry.change = entry.change if change is None else change
    return entry


def reload_row(change: str | None, error: str | None, *, at: float) -> AuditRow:
    """Return the row for a reload that a signal has asked for, whose sender is root or gpuqd's own user."""
    uid = os.geteuid()
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)
    who = Caller(owner=Owner(user=user, uid=uid), role=Role.ADMIN, source="SIGHUP")
    return Entry(at=at, who=who, verb="reload", target=None, change=change).row("refused" if error else "done", error)


def difference(before: Any, after: Any) -> str:
    """Return the fields in which two values of one kind differ, as `name before -> after`.

    Values are dataclasses. The text of a script is never among them, nor where its owner is told of a job.
    """
    old, new = _fields(before), _fields(after)
    names = [name for name in new if old.get(name) != new[name] and name not in ("script", "notify_to")]
    return ", ".join(f"{name} {_value(old.get(name))} -> {_value(new[name])}" for name in names)


def verb_of(method: str, path: str) -> tuple[str, str | None]:
    """Return what a request does and to what, by its method and path: ("cancel", "job 12")."""
    parts = _PART.findall(path.removeprefix("/v1/"))
    match parts:
        case ["jobs"]:
            return "enqueue", None
        case ["config"]:
            return "reload", None
        case ["jobs", job_id]:
            return _VERBS.get(method, method), f"job {job_id}"
        case ["jobs", job_id, verb]:
            return verb, f"job {job_id}"
        case [noun, *names]:
            one = noun if noun == "qos" else noun.removesuffix("s")
            return f"{_VERBS.get(method, method)} {one}", "/".join(names) or None
        case _:
            return f"{method} {path}", None


def _fields(value: Any) -> dict[str, Any]:
    return asdict(value)


def _value(value: Any) -> str:
    return "none" if value is None else str(value)


def _short(text: str) -> str:
    return fit(clean(text), _LONGEST)
