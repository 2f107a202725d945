"""What runs before an attempt is launched and after nothing of it is left.

Either may run again for one attempt, where gpuqd was started anew meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from gpuq.models import JobState, Signal, SignalKind
from gpuq_daemon.clock import Clock
from gpuq_daemon.config import Config
from gpuq_daemon.hooks.program import HookError, run
from gpuq_daemon.policy.lifecycle import Verdict, step
from gpuq_daemon.store.attempts import ActiveAttempt

logger = logging.getLogger(__name__)

HELD = "It waits, held, until it is released."  # what is said last of a prolog that failed


class JobHooks:
    """The prolog and the epilog. What fails is told as something that is wrong with the job."""

    def __init__(self, config: Config, clock: Clock, tell: Callable[[int, Signal], None]) -> None:
        """`tell` keeps what is wrong with a job; it may block."""
        self._config = config
        self._clock = clock
        self._tell = tell

    @property
    def has_prolog(self) -> bool:
        """Whether anything runs before attempts."""
        return self._config.hooks.prolog.path is not None

    async def before(self, attempt: ActiveAttempt) -> bool:
        """Run the prolog; return whether the attempt may be launched."""
        try:
            await run("prolog", self._config.hooks.prolog, words_of(self._config, attempt))
        except HookError as error:
            self._failed(attempt, SignalKind.PROLOG, f"{error} {HELD}")
            return False
        return True

    async def after(self, attempt: ActiveAttempt, ending: Verdict) -> None:
        """Run the epilog, whatever the end was. Its GPUs are handed on after it."""
        hook = self._config.hooks.epilog
        if hook.path is None:
            return
        words = {
            "GPUQ_JOB_STATE": step(JobState.COMPLETING, ending.event).state.value,
            "GPUQ_JOB_EXIT_CODE": str(ending.exit_code),
            "GPUQ_JOB_END_REASON": "" if ending.reason is None else ending.reason.value,
        }
        try:
            await run("epilog", hook, {**words_of(self._config, attempt), **words})
        except HookError as error:
            self._failed(attempt, SignalKind.EPILOG, str(error))

    def _failed(self, attempt: ActiveAttempt, kind: SignalKind, text: str) -> None:
        logger.warning("a hook failed", extra={"job_id": attempt.job_id, "hook": kind.value, "why": text})
        signal = Signal(
            kind=kind, attempt=attempt.number, rank=0, tag=kind.value, step=0, wall_time=self._clock.now(), text=text
        )
        self._tell(attempt.job_id, signal)


def words_of(config: Config, attempt: ActiveAttempt) -> Mapping[str, str]:
    """Return what a hook is told. Source of the names: Slurm, "Prolog and Epilog Guide"; gpuq's own of jobs."""
    array = {} if attempt.array_id is None else {
        "GPUQ_ARRAY_JOB_ID": str(attempt.array_id),
        "GPUQ_ARRAY_INDEX": str(attempt.array_index),
    }  # fmt: skip
    return {
        "GPUQ_CLUSTER_NAME": config.cluster_name,
        "GPUQ_JOB_ID": str(attempt.job_id),
        "GPUQ_JOB_NAME": attempt.name,
        "GPUQ_JOB_USER": attempt.user,
        "GPUQ_JOB_UID": str(attempt.uid),
        "GPUQ_JOB_ACCOUNT": attempt.account,
        "GPUQ_JOB_PARTITION": attempt.partition,
        "GPUQ_JOB_NODELIST": ",".join(attempt.nodes),
        "GPUQ_JOB_NUM_NODES": str(len(attempt.nodes)),
        "GPUQ_JOB_GPUS": str(sum(attempt.gpus_by_node.values())),
        "GPUQ_ATTEMPT_NUMBER": str(attempt.number),
        **array,
    }
