"""The answer to each question."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import assert_never

from gpuq.errors import NotFoundError, UsageError
from gpuq_daemon.forecast.estimate import REPLAYS, estimates
from gpuq_daemon.forecast.packing import Scene
from gpuq_daemon.forecast.questions import (
    Again,
    Changed,
    Estimated,
    Estimates,
    Explained,
    Past,
    Question,
    QueueThen,
    Redecided,
    Sooner,
    WhatIf,
    WhyThen,
)
from gpuq_daemon.forecast.record import decision_of, scene_of
from gpuq_daemon.forecast.replay import Course
from gpuq_daemon.forecast.sooner import sooner
from gpuq_daemon.forecast.then import decided_again, then, why_then
from gpuq_daemon.forecast.what_if import Event, decided, moved, parse


def answer(question: Question, cpu_s: Callable[[], float]) -> object:
    """Return the answer; `cpu_s` is the CPU time this process has had."""
    match question:
        case Estimates():
            return _estimated(question, cpu_s)
        case Sooner():
            ahead = question.ahead
            return sooner(
                ahead.scene.snapshot,
                question.job_id,
                ahead.runs,
                ahead.seed,
                course=Course(half_life_s=ahead.half_life_s),
                enough=_within(ahead.budget_s, cpu_s),
            )
        case WhatIf():
            return _changed(question, cpu_s)
        case Again():
            return _redecided(question)
        case QueueThen():
            return then(_scene(question.past))
        case WhyThen():
            try:
                return Explained(why=why_then(_scene(question.past), question.job_id, question.gpu_kind))
            except NotFoundError as error:
                return Explained(missing=str(error))
        case _:
            assert_never(question)


def _changed(asked: WhatIf, cpu_s: Callable[[], float]) -> Changed:
    ahead, there = asked.ahead, asked.ahead.scene.snapshot
    enough = _within(ahead.budget_s, cpu_s)
    try:
        event = parse(asked.line, there) if asked.world is None else Event(at=there.now, change=decided(asked.world))
    except UsageError as error:
        return Changed(refusal=str(error))
    course = Course(half_life_s=ahead.half_life_s)
    found = moved(there, event, ahead.runs, ahead.seed, course=course, enough=enough)
    return Changed(moved=found, is_whole=not enough())


def _scene(past: Past) -> Scene:
    return scene_of(past.whole, past.changes)


def _redecided(asked: Again) -> Redecided:
    scene = _scene(asked.past)
    try:
        again = decided_again(scene, asked.policy)
    except UsageError as error:
        return Redecided(refusal=str(error))
    there = scene.snapshot
    return Redecided(at=there.now, waiting=len(there.pending), recorded=decision_of(asked.past.decided), again=again)


def _within(budget_s: float, cpu_s: Callable[[], float]) -> Callable[[], bool]:
    began = cpu_s()
    return lambda: cpu_s() - began > budget_s


def _estimated(asked: Estimates, cpu_s: Callable[[], float]) -> Estimated:
    began, ahead = cpu_s(), asked.ahead
    found = estimates(
        ahead.scene.snapshot,
        ahead.runs,
        Random(ahead.seed),
        course=Course(half_life_s=ahead.half_life_s),
        each=lambda: _within(ahead.budget_s / REPLAYS, cpu_s),
    )
    return Estimated(estimates=found, cpu_s=cpu_s() - began)
