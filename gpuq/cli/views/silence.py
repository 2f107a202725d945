"""Why there is nothing to draw of a job."""

from __future__ import annotations

from gpuq.states import FINAL
from gpuq.text import clean, fit
from gpuq.units import plural

_WRITES = "its script writes them with `tf.summary` below the folder that $GPUQ_LOG_DIR names"
_HELD_BACK = "TensorFlow holds back what it writes for up to two minutes, unless the script calls `writer.flush()`"


def why_nothing(
    name: str, state: str, *, has_started: bool, error: str | None = None, files: int | None = None, tags: int = 0
) -> str:
    """Return a sentence about a job that has no curve, and is called `name`.

    `files` are its newest attempt's event files, None where that is not known; `tags` are those that are no curve.
    `error` is what is wrong with a job that runs: with reading its files.
    """
    if not has_started:
        if state in FINAL:
            return f"Job {name} ended before it started, so it has no curve."
        if state == "PENDING":
            return f"Job {name} has not started, so it has no curve yet: `gpuq why {name}` says what it waits for."
        return f"Job {name} is starting, so it has no curve yet."
    if error and state not in FINAL:
        return f"Job {name} has no curve that could be read: {fit(clean(error), 300)}"
    ended = state in FINAL
    if files == 0:
        return f"Job {name} {'ended without' if ended else 'runs, and has not begun'} an event file: {_WRITES}."
    if tags:
        return f"Job {name} has written no curve, but {plural(tags, 'other tag')}: `gpuq plot --list {name}`."
    if files is not None:
        what = f"{plural(files, 'event file')}, without a curve in {'it' if files == 1 else 'them'}"
        return f"Job {name} {'wrote' if ended else 'has'} {what}{'' if ended else f' so far: {_HELD_BACK}'}."
    return f"Job {name} {'ended without' if ended else 'runs, and has not written'} a curve{'' if ended else ' yet'}."
