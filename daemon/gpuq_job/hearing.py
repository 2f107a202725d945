"""What ranks and their witnesses say, as reports and samples; and why a rank is gone that has said nothing.

Its witness saw it, or Spark says what became of its executor.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from pyspark import SparkContext

from gpuq_job import blame
from gpuq_job.driver_end import DriverEnd
from gpuq_job.link import Message, witness_of
from gpuq_job.outcome import Ranks, Report
from gpuq_job.rank_log import tail
from gpuq_job.samples import Samples
from gpuq_job.spec import Run

_POLL_S = 0.1
_PATIENCE_S = 8.0  # YARN's application master asks every 3 s what has become of its containers


class Hearing:
    """Hears all of one attempt. `removal` is what Spark says of an executor that it has lost, None if it has not."""

    def __init__(
        self,
        run: Run,
        end: DriverEnd,
        ranks: Ranks,
        removal: Callable[[str], str | None],
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run = run
        self._end = end
        self._ranks = ranks
        self._removal = removal
        self._ticks = ticks
        self._samples = Samples(run.samples)
        self._saw: dict[int, bool] = {}
        self._watching: set[int] = set()

    def reports(self, message: Message) -> list[Report]:
        """Take in what came over a connection; return what to report."""
        rank: int = message["rank"]
        if rank < 0:
            self._hear_witness(rank, message)
            return []
        if "sample" in message:
            self._samples.add(rank, message["sample"])
            return []
        if "hook" in message:
            return [{"kind": "hook", **message}]
        if message["state"] is not None:
            return self._ranks.heard(message)
        was_killed, meanwhile = False, list[Message]()
        if self._ranks.may_be_lost(rank):
            was_killed, meanwhile = self._was_killed_for_memory(rank)
        found = self._ranks.hung_up(rank, tail(self._run.log(rank)), was_killed_for_memory=was_killed)
        return [*found, *(report for later in meanwhile for report in self.reports(later))]

    def _hear_witness(self, who: int, message: Message) -> None:
        match message.get("state"):
            case "WATCHES":
                self._watching.add(who)
            case "SAW":
                self._saw[who] = message.get("was_killed_for_memory") is True
            case _:
                self._watching.discard(who)

    def _was_killed_for_memory(self, rank: int) -> tuple[bool, list[Message]]:
        """Return whether a rank that is gone was, and what others said while that was asked.

        It takes as long as its witness does, which is a moment; where that is gone too, as Spark does.
        """
        who, executor_id, meanwhile = witness_of(rank), self._ranks.executor_of(rank), list[Message]()
        deadline = self._ticks() + _PATIENCE_S
        while who not in self._saw and self._ticks() < deadline:
            said = None if who in self._watching or executor_id is None else self._removal(executor_id)
            if said is not None:
                return blame.is_for_memory(said), meanwhile
            for message in self._end.messages(_POLL_S):
                if message["rank"] < 0:
                    self._hear_witness(message["rank"], message)
                else:
                    meanwhile.append(message)
        return self._saw.get(who, False), meanwhile


def removal(executor_id: str) -> str | None:
    """Return why Spark has removed an executor, None if it has not, or cannot say any more."""
    context: Any = SparkContext._active_spark_context  # pyright: ignore[reportPrivateUsage]  # a script may have made it
    try:
        executors = context._jsc.sc().statusStore().executorList(False)
        found = [executors.apply(number) for number in range(executors.size())]
        reasons = [one.removeReason() for one in found if one.id() == executor_id]
        return next((str(reason.get()) for reason in reasons if reason.isDefined()), None)
    except Exception:  # py4j's kinds of failure share no base, and Spark may be ending
        return None
