"""Why there is nothing to draw of a job."""

from __future__ import annotations

from gpuq.states import FINAL
from gpuq.text import clean, fit
from gpuq.units import plural

_WRITES = "its script writes them with `tf.summary` below the folder that $GPUQ_LOG_DIR names"
_HELD_BACK = "TensorFlow holds back what it writes for up to two minutes, unless the script calls `writer.flush()`"


def why_nothing(
    job_id: int, state: str, *, has_started: bool, error: str | None = None, files: int | None = None, tags: int = 0
) -> str:
    """Return a sentence about a job that has no curve.

    `files` are its newest attempt's event files, None where that is not known; `tags` are those that are no curve.
    `error` is what is wrong with a job that runs: with reading its files.
    """
    if not has_started:
        if state in FINAL:
            return f"Job {job_id} ended before it started, so it has no curve."
        if state == "PENDING":
            return f"Job {job_id} has not started, so it has no curve yet: `gpuq why {job_id}` says what it waits for."
        return f"Job {job_id} is starting, so it has no curve yet."
    if error and state not in FINAL:
        return f"Job {job_id} has no curve that could be read: {fit(clean(error), 300)}"
    ended = state in FINAL
    if files == 0:
        return f"Job {job_id} {'ended without' if ended else 'runs, and has not begun'} an event file: {_WRITES}."
    if tags:
        return f"Job {job_id} has written no curve, but {plural(tags, 'other tag')}: `gpuq plot --list {job_id}`."
    if files is not None:
        what = f"{plural(files, 'event file')}, without a curve in {'it' if files == 1 else 'them'}"
        return f"Job {job_id} {'wrote' if ended else 'has'} {what}{'' if ended else f' so far: {_HELD_BACK}'}."
    return f"Job {job_id} {'ended without' if ended else 'runs, and has not written'} a curve{'' if ended else ' yet'}."
