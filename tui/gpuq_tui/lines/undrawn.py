"""Why there is nothing to draw of a job."""

from __future__ import annotations

from gpuq.models import Job, JobState
from gpuq.units import plural
from gpuq_tui.lines.queue import note

KINDS: tuple[str, ...] = ("curves", "histograms", "weights")
"""What charts are about: scalars, distributions over steps, the numbers of variables in the newest checkpoint."""
_WRITERS = {
    "curves": ("value", "a script writes them with tf.summary.scalar into $GPUQ_LOG_DIR"),
    "histograms": ("distribution", "a script writes them with tf.summary.histogram into $GPUQ_LOG_DIR"),
    "weights": ("checkpoint", "a script saves them in $GPUQ_CHECKPOINT_DIR"),
}


def no_curves(job: Job, kind: str) -> str:
    """Return why there is nothing to draw of a job, and what would change that; `kind` is one of `KINDS`."""
    what, how = _WRITERS[kind]
    name = f"job {job.shown_id}"
    match job.state:
        case JobState.PENDING:
            return f"{name} waits ({note(job)}): there is nothing to draw before it runs."
        case JobState.CONFIGURING:
            return f"{name} comes up ({note(job)}): there is nothing to draw before it trains."
        case _ if job.damaged_events and kind != "weights":
            return (
                f"{name} has event files that are damaged ({plural(job.damaged_events, 'record')} lost), and no {what}."
            )
        case _ if job.state.is_final:
            return f"{name} ended {job.state} and wrote no {what}: {how}."
        case _:
            return f"{name} runs, and has written no {what} yet: {how}."
