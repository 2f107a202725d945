"""Tasks of arrays as people name them: what is said of jobs below the API knows them by number alone."""

from __future__ import annotations

import re
from dataclasses import replace

from gpuq.models import Why
from gpuq_daemon.api.desk import Desk

# `job 7`, `jobs 7, 8`: no part of a name in quotes, of `job 4_2`, or of `jobs 4-6`
_JOBS = re.compile(r"(?<!['\"])\b([Jj]obs?) (\d{1,18}(?:, \d{1,18})*)(?![\w-])")


def in_words(desk: Desk, text: str) -> str:
    """Return a sentence that calls tasks of arrays `12_3`, not by the number that each has besides."""
    numbers = {int(number) for found in _JOBS.finditer(text) for number in found[2].split(", ")}
    names = desk.jobs.task_names(numbers) if numbers else {}
    if not names:
        return text
    return _JOBS.sub(
        lambda found: f"{found[1]} {', '.join(names.get(int(one), one) for one in found[2].split(', '))}", text
    )


def named(desk: Desk, why: Why) -> Why:
    """Return why a job waits, with what tasks of arrays are called: itself, who holds GPUs, and in the sentence."""
    names = desk.jobs.task_names({why.job_id, *(holder.job_id for holder in why.held_by)})
    held_by = tuple(replace(one, task=names.get(one.job_id)) for one in why.held_by) if names else why.held_by
    return replace(why, task=names.get(why.job_id), held_by=held_by, text=in_words(desk, why.text))
