"""An engine that keeps applications warm: Spark and TensorFlow are there before the job is.

What is kept follows what was asked for: as if the latest jobs came again, each user's for that user alone. Where gpuqd
chooses GPUs it holds none: an attempt that takes one brings its own. Where Spark hands them out, it holds those of a
job, and yields to whoever asks for any.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from gpuq.models import Node
from gpuq_daemon.backends import leftovers, memory
from gpuq_daemon.backends.base import Attempt, Command, Engine, EngineError, Spare, TellsLastWords
from gpuq_daemon.backends.standbys import Kind, Standbys, Surroundings
from gpuq_daemon.backends.submit import package_root
from gpuq_job.orders import Order

logger = logging.getLogger(__name__)

_END_S = 10.0
_COMING_S = 300.0  # so long a job that has not come up yet may need the machine more than one that may come next
_QUIET_S = 10.0  # and so long when it has: its first step is the longest


def kept(latest: Iterable[Kind], most: int) -> list[Kind]:
    """Return what is to stand by, for as many workers as are allowed: what the latest jobs were, the newest first."""
    found: list[Kind] = []
    for kind in latest:
        if kind.workers <= most - sum(one.workers for one in found):
            found.append(kind)
    return found


class WarmEngine:
    """An engine, and for at most `most` workers the applications that stand by on it.

    One that nobody took is given back when no such job has been started for `idle_s`.
    """

    def __init__(
        self,
        engine: Engine,
        around: Surroundings,
        *,
        python: Path,
        most: int,
        idle_s: float,
        memory_floor_mib: int = memory.FLOOR_MIB,
        clock: Callable[[], float] = time.monotonic,
        coming_s: float = _COMING_S,
        quiet_s: float = _QUIET_S,
        spare: Callable[[], Spare] | None = None,
    ) -> None:
        """`spare` tells what there is of GPUs that Spark hands out; None: what stands by holds none."""
        self._engine = engine
        self._standbys = Standbys(engine, around)
        self._python = python
        self._most = most
        self._idle_s = idle_s
        self._memory_floor_mib = memory_floor_mib
        self._clock = clock
        self._coming_s = coming_s
        self._quiet_s = quiet_s
        self._quiet_until: dict[str, float] = {}
        self._spare = spare
        self._latest: deque[tuple[float, Kind]] = deque(maxlen=most)

    @property
    def partition(self) -> str:
        """The partition this engine serves."""
        return self._engine.partition

    def start(self) -> None:
        """Make the engine ready; what stood by for an earlier gpuqd is ended.

        Raises:
            EngineError: jobs cannot run here.
        """
        self._engine.start()
        self._standbys.make()
        self._end_all()

    def stop(self) -> None:
        """End what stands by, and the engine."""
        self._end_all()
        self._engine.stop()

    def health(self) -> str | None:
        """Return what is wrong with the engine, or None; look after what stands by."""
        wrong = self._engine.health()
        if wrong is None:
            try:
                self._tend()
            except (EngineError, OSError) as error:  # jobs start without it, too
                logger.warning("nothing new stands by", extra={"partition": self.partition, "error": str(error)})
        return wrong

    def nodes(self) -> tuple[Node, ...]:
        """Return the engine's nodes."""
        return self._engine.nodes()

    def needs(self) -> tuple[Path, ...]:
        """Return what jobs are started with."""
        return self._engine.needs()

    def command(self, attempt: Attempt) -> Command:
        """Return what hands the attempt to an application that stands by for it, else what starts one."""
        command = self._engine.command(attempt)
        self._quiet_until[attempt.token] = self._clock() + self._coming_s
        if attempt.servers or attempt.driver or attempt.independent:
            self._yield()
            return command  # they need another Spark
        kind = self._kind(attempt)
        self._latest.append((self._clock(), kind))
        taken = self._standbys.take(attempt, kind)
        if taken is None:
            self._yield()
            return command
        logger.info("an application that stood by is taken", extra={"job_id": attempt.job_id})
        lead = package_root() / "gpuq_job" / "lead.py"
        words = (str(self._python), "-I", "-S", str(lead), str(taken.socket), str(attempt.folder / "spec.json"))
        return replace(command, argv=(*words, *command.argv))

    def placed(self, attempt_token: str, told: Mapping[int, str]) -> Mapping[int, str]:
        """Return the node of each rank; with the first that tells one, the attempt has come up."""
        if told and attempt_token in self._quiet_until:
            until = self._clock() + self._quiet_s
            self._quiet_until[attempt_token] = min(until, self._quiet_until[attempt_token])
        return self._engine.placed(attempt_token, told)

    def order(self, attempt_token: str, driver_pid: int, order: Order) -> bool:
        """Send the order's signal to the attempt's driver, whichever it has."""
        return any(self._engine.order(token, driver_pid, order) for token in self._tokens(attempt_token))

    def last_words(self, attempt_token: str, application_id: str | None, known: Collection[str]) -> tuple[str, ...]:
        """Return what executors said last that never became a rank."""
        engine = self._engine
        if not isinstance(engine, TellsLastWords):
            return ()
        said = (engine.last_words(token, application_id, known) for token in self._tokens(attempt_token))
        return tuple(line for lines in said for line in lines)

    def reclaim(self, attempt_token: str, application_id: str | None) -> int:
        """Kill what is left of an attempt, with the application that it took; only then its GPUs are free."""
        taken = self._standbys.of(attempt_token)
        left = 0 if taken is None else self._standbys.end(taken, application_id)
        left = left or self._engine.reclaim(attempt_token, application_id)
        if left == 0:
            self._standbys.forget(attempt_token)
            self._quiet_until.pop(attempt_token, None)
        return left

    def _tokens(self, attempt_token: str) -> tuple[str, ...]:
        taken = self._standbys.of(attempt_token)
        return (attempt_token,) if taken is None else (taken.token, attempt_token)

    def _kind(self, attempt: Attempt) -> Kind:
        if self._spare is None:
            return Kind(owner=attempt.owner, workers=attempt.workers)
        return Kind(
            owner=attempt.owner,
            workers=attempt.workers,
            gpus_per_worker=attempt.gpus_per_worker,
            gpus_by_node=tuple(sorted(attempt.gpus_by_node.items())),
        )

    def _yield(self) -> None:
        """Give back what stands by, if it holds GPUs: one who waits may have been promised them."""
        if self._spare is not None:
            self._end_all()

    def _tend(self) -> None:
        """End what has ended or is not wanted any more, then start one that is, unless jobs are just being started."""
        spare = None if self._spare is None else self._spare()
        if spare is not None and spare.is_waited_for:
            self._end_all()
            return
        wanted = kept(self._wanted(), self._most)
        free = Counter(kind.key for kind in wanted)
        for one in self._standbys.standing():
            if free[one.key] > 0 and self._standbys.is_alive(one):
                free[one.key] -= 1
            else:
                self._standbys.end(one)
        if not self._is_quiet() or memory.available_mib() < self._memory_floor_mib:
            return
        for kind in wanted:
            if free[kind.key] > 0 and (spare is None or kind.workers * kind.gpus_per_worker <= spare.gpus):
                logger.info("one more stands by", extra={"partition": self.partition, "uid": kind.uid})
                self._standbys.start(kind, 2 * self._idle_s)
                if not self._is_quiet():
                    self._yield()  # to a job that has come at the same moment
                return

    def _is_quiet(self) -> bool:
        """Whether no job is just coming up."""
        return max(tuple(self._quiet_until.values()), default=0.0) <= self._clock()

    def _wanted(self) -> list[Kind]:
        """Return what the jobs of the last time were, the newest first."""
        since = self._clock() - self._idle_s
        return [kind for at, kind in reversed(tuple(self._latest)) if at >= since]

    def _end_all(self) -> None:
        leftovers.wait_until(lambda: not [one for one in self._standbys.standing() if self._standbys.end(one)], _END_S)
