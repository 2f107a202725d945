"""What can be done with jobs, each as the line of gpuq that it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gpuq.models import Job, JobState
from gpuq_tui.lines.verbs import line_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing to do: its key in the menu, what it is, the words of the line. `is_open`: the user types the rest."""

    key: str
    deed: str
    words: tuple[str, ...]
    is_open: bool = False

    @property
    def line(self) -> str:
        """Return the line as far as it is written."""
        return line_of([word for word in self.words if word]) + (" ..." if self.is_open else "")


def actions(jobs: Sequence[Job]) -> list[Action]:
    """Return what makes sense for all of `jobs` as they are now; there is at least one."""
    ids = tuple(job.shown_id for job in jobs)
    waiting = all(job.state is JobState.PENDING for job in jobs)
    ended = all(job.state.is_final for job in jobs)
    found: list[Action] = []
    if waiting and any(job.hold is None for job in jobs):
        found.append(Action(key="h", deed="hold", words=("hold", *ids)))
    if waiting and any(job.hold is not None for job in jobs):
        found.append(Action(key="r", deed="release", words=("release", *ids)))
    if waiting and len(jobs) == 1:
        found += [
            Action(key="n", deed="change its nice", words=("update", *ids, "nice="), is_open=True),
            Action(key="t", deed="change its time limit", words=("update", *ids, "time="), is_open=True),
            Action(key="u", deed="change anything of it", words=("update", *ids, ""), is_open=True),
            Action(key="p", deed="put it before all others (administrators)", words=("update", *ids, "priority=top")),
        ]
    if not waiting:
        found.append(Action(key="a", deed="run it again (requeue)", words=("requeue", *ids)))
    if not ended:
        alive = (job.shown_id for job in jobs if not job.state.is_final)
        found.append(Action(key="c", deed="cancel", words=("cancel", *alive)))
    if len(jobs) == 1:
        found += [
            Action(key="s", deed="show everything about it", words=("show", *ids)),
            Action(key="e", deed="show what happened to it", words=("events", *ids)),
            Action(key="i", deed="show its checkpoint", words=("checkpoint", *ids)),
            Action(key="f", deed="follow its log", words=("logs", "-f", *ids)),
        ]
    return found
