"""The answer to each question."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from gpuq_daemon.forecast.estimate import estimates
from gpuq_daemon.forecast.questions import Estimated, Estimates, Question
from gpuq_daemon.forecast.replay import Course


def answer(question: Question, cpu_s: Callable[[], float]) -> object:
    """Return the answer; `cpu_s` is the CPU time this process has had."""
    match question:
        case Estimates():
            return _estimated(question, cpu_s)


def _estimated(asked: Estimates, cpu_s: Callable[[], float]) -> Estimated:
    began = cpu_s()
    found = estimates(
        asked.scene.snapshot,
        asked.runs,
        Random(asked.seed),
        course=Course(half_life_s=asked.half_life_s),
        enough=lambda: cpu_s() - began > asked.budget_s,
    )
    return Estimated(estimates=found, cpu_s=cpu_s() - began)
