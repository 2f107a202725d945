"""Workers that know nothing of each other: what TFoS calls TFParallel, with the GPUs that each was given.

TFParallel's one Spark job ends with the first worker that fails, and takes GPUs without asking Spark. Here each worker
is a Spark job of its own, in a process of its own: the others go on.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pyspark import TaskContext

from gpuq_job import tfos
from gpuq_job.rank import MainFun


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """What a Spark task does for one worker, whose number it is given; `args` is what the user's function gets."""

    main_fun: MainFun
    default_fs: str
    args: Any

    def __call__(self, numbers: Iterable[int]) -> None:
        (rank,) = numbers
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(_gpus())
        run = self.main_fun.run
        self.main_fun(self.args, tfos.lone_context(rank, run.workers, self.default_fs))


def run(context: Any, main_fun: MainFun, args: Any) -> Exception | None:
    """Run all workers to their ends; return how Spark failed one of them, if it did."""
    instance = Instance(main_fun=main_fun, default_fs=tfos.default_fs(context), args=args)
    errors: list[Exception] = []

    def one(rank: int) -> None:
        try:
            context.parallelize([rank], 1).foreachPartition(instance)
        except Exception as error:  # py4j's kinds of failure share no base
            errors.append(error)

    threads = [threading.Thread(target=one, args=(rank,), daemon=True) for rank in range(main_fun.run.workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors[0] if errors else None


def _gpus() -> list[str]:
    task: Any = TaskContext.get()
    return list(task.resources()["gpu"].addresses) if "gpu" in task.resources() else []
