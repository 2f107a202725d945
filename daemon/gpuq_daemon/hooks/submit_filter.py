"""Asks the site's program about each job before it is queued: as it is, changed, or not at all.

The program reads {"action", "user", "job"} as JSON, `job` being a `JobSpec`. What it prints is nothing (the job
is queued as it is), {"job": {...}} with what it is to be, or only the fields that are to be otherwise, or
{"refuse": "..."}, which is what its user is told.

Source: Slurm, "Job Submit Plugin API"; its job_submit and job_modify are the actions "submit" and "update" here.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import asdict
from typing import Any, Literal

import msgspec

from gpuq.errors import ForbiddenError, UnavailableError
from gpuq.models import JobSpec
from gpuq.text import clean, fit
from gpuq_daemon.config import Config
from gpuq_daemon.hooks.program import HookError, last_line, run

logger = logging.getLogger(__name__)

_AT_ONCE = 4  # programs; who comes later waits
_MOST_SAID = 8 * 1024 * 1024  # a script and what goes with it may be 3 MiB, more as JSON
_LONGEST_REFUSAL = 500

Action = Literal["submit", "update"]


class _Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    job: dict[str, Any] | None = None
    refuse: str | None = None


class SubmitFilter:
    """The site's word on what is queued. A filter that fails lets nothing in."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def filtered(self, spec: JobSpec, user: str, action: Action) -> JobSpec:
        """Return the job as the site lets it in.

        Raises:
            ForbiddenError: the site refuses it, in the filter's words.
            UnavailableError: the filter does not work.
        """
        hook = self._config.hooks.submit_filter
        if hook.path is None:
            return spec
        asked = {"action": action, "user": user, "job": spec}
        words = {"GPUQ_CLUSTER_NAME": self._config.cluster_name, "GPUQ_JOB_USER": user}
        try:
            async with self._turns:
                ran = await run("submit filter", hook, words, given=msgspec.json.encode(asked), most_said=_MOST_SAID)
            answer = _read(ran.output)
            changed = spec if answer.job is None else _changed(spec, answer.job)
        except (HookError, ValueError, TypeError, RecursionError) as error:
            logger.warning("the submit filter does not work", extra={"why": str(error)})
            said = str(error) if isinstance(error, HookError) else f"It says what is no answer: {fit(str(error), 200)}."
            raise UnavailableError(f"Not queued, for the site's submit filter does not work. {said}") from error
        if answer.refuse is not None:
            sentence = fit(clean(answer.refuse.strip()), _LONGEST_REFUSAL) or "The site's submit filter refuses it."
            raise ForbiddenError(sentence)
        return changed


def _read(output: bytes) -> _Answer:
    if not output.strip():
        return _Answer()
    try:
        return msgspec.json.decode(output, type=_Answer)
    except msgspec.DecodeError as error:
        raise ValueError(f"{error}, in '{last_line(output[:400])}'") from error


def _changed(spec: JobSpec, fields: dict[str, Any]) -> JobSpec:
    """Return the job with the fields that the filter names.

    Raises:
        ValueError: there is no such field, or no such value.
    """
    known = asdict(spec)
    if unknown := fields.keys() - known.keys():
        raise ValueError(f"a job has no field {clean(min(unknown))}")
    return msgspec.convert({**known, **fields}, JobSpec)
