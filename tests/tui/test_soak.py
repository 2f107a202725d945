"""Hours in front of the screen: jobs come, run, end and are forgotten, views are visited, gpuqd goes away and is back.

What is held must not grow. Objects are counted by their types: the second half of the time may not see more of one than
the first half did. How much memory that is depends on the machine, and is only printed.
"""

from __future__ import annotations

import gc
import os
from collections import Counter
from dataclasses import dataclass, field, replace

import pytest
from textual.pilot import Pilot

from gpuq.errors import UnavailableError
from gpuq.models import Job, JobState
from gpuq_tui.app import GpuqApp
from gpuq_tui.changes import Event
from gpuq_tui.screens.queue import QueueScreen
from tests.tui.scripted import ScriptedClient, Times, a_curve, a_job, a_running_job, a_series, an_app, as_json, piloted

_LIVE = 40
_PASSING = 600
_KEPT = 400
_TIMER = "textual.timer.Timer"
_COUNTED = ("gpuq.", "gpuq_tui.", "textual.strip.", "_asyncio.Task", _TIMER)
_VIEWS = (*"234567", "1", "a", "question_mark", "escape", "colon", "w", "escape", "x", "escape", "p", "p")
_JOB = ("j", "space", "enter", *"TLECO", "l", "escape", "slash", "a", "escape", "e", "escape", "y", "escape")


@dataclass
class Life:
    """A cluster of which each minute tells what became of its jobs; it keeps the last `_KEPT` that have ended."""

    client: ScriptedClient
    times: Times
    live: list[Job] = field(default_factory=list[Job])
    ended: list[Job] = field(default_factory=list[Job])
    submitted: int = 0

    def begin(self) -> None:
        """Let there be jobs before anybody looks."""
        self.live = [a_running_job(self._next()) for _ in range(_LIVE // 2)]
        self.live += [a_job(self._next()) for _ in range(_LIVE // 2)]
        self.client.queue = list(self.live)

    def minute(self) -> None:
        """Let a minute pass: some end, some start, some are submitted, and many come and go."""
        self.times.now += 60
        told = [self._end(job) for job in self.live[:10]]
        started = [a_running_job(job.id) for job in self.live[20:30]]
        waiting = [a_job(self._next()) for _ in range(10)]
        told += [("job", as_json(job)) for job in (*started, *waiting)]
        row = as_json(a_job())
        for _ in range(_PASSING):
            job = a_job(self._next())
            told += [("job", {**row, "id": job.id}), self._end(job)]
        self.live = [*self.live[10:20], *started, *self.live[30:], *waiting]
        del self.ended[:-_KEPT]
        self.client.queue = [*self.ended, *self.live]
        told.append(("node", {"name": "n1", "free_gpus": self.submitted % 3}))
        self.client.streams[-1].tell(*told)

    def forget_what_was_asked(self) -> None:
        """Keep the scripted client from growing itself."""
        client = self.client
        for asked in (client.asked, client.asked_logs, client.asked_curves, client.ran):
            asked.clear()
        del client.streams[:-1]

    def _next(self) -> int:
        self.submitted += 1
        return self.submitted

    def _end(self, job: Job) -> Event:
        done = replace(job, state=JobState.COMPLETED, reason=None, ended_at=self.times.now)
        self.ended.append(done)
        return "job", {"id": job.id, "state": done.state, "reason": None, "ended_at": done.ended_at}


@dataclass
class Soak:
    """So many minutes of a user's life with it, and how many objects of each type there were after each."""

    minutes: int
    held: list[Counter[str]] = field(default_factory=list[Counter[str]])
    marks: list[int] = field(default_factory=list[int])
    rss_mib: list[float] = field(default_factory=list[float])

    def run(self) -> None:
        """Live it."""
        curves = {tag: a_curve(a_series(tag)) for tag in ("loss", "accuracy")}
        times = Times()
        life = Life(ScriptedClient(curves=curves, log="a line\n" * 100, variables=("w",)), times)
        life.begin()
        app = an_app(life.client, clock=times)

        async def use(pilot: Pilot[None]) -> None:
            for minute in range(self.minutes):
                life.minute()
                await pilot.pause()
                if minute % 2:
                    await pilot.press(*_JOB)
                    await self._away_and_back(pilot, life)
                else:
                    await self._look_at_ended(pilot, app)
                    await pilot.press(*_VIEWS)
                life.forget_what_was_asked()
                await pilot.pause()
                assert isinstance(app.screen, QueueScreen), "every dialog and every view is left again"
                self._count(app)

        piloted(app, use)

    async def _look_at_ended(self, pilot: Pilot[None], app: GpuqApp) -> None:
        await pilot.press("a")
        while not any(job.state.is_final for job in app.view.jobs):
            await pilot.pause()

    async def _away_and_back(self, pilot: Pilot[None], life: Life) -> None:
        life.client.failure = UnavailableError("gpuqd is gone")
        life.client.streams[-1].close()
        await pilot.press("j")
        life.client.failure = None
        await pilot.press("r")  # at once, and not after a second

    def _count(self, app: GpuqApp) -> None:
        gc.collect()
        names = (f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.get_objects())
        self.held.append(Counter(name for name in names if name.startswith(_COUNTED)))
        queue = app.view
        assert isinstance(queue, QueueScreen)
        self.marks.append(queue.mark_count)
        with open("/proc/self/statm", encoding="ascii") as file:
            self.rss_mib.append(int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20)

    def grown(self) -> dict[str, tuple[int, int]]:
        """Return of which types the second half saw more than the first, and how many each saw at most.

        A few more are no growth: which rows were painted last, which answers views hold on to. A timer more is.
        """
        half = self.minutes // 2
        most = [Counter[str](), Counter[str]()]
        for minute, held in enumerate(self.held):
            most[minute >= half] |= held
        before, after = most
        few = {name: 1.0 if name == _TIMER else 0.05 * before[name] + 10 for name in after}
        return {name: (before[name], after[name]) for name in after if after[name] > before[name] + few[name]}


def test_nothing_grows_while_jobs_pass_and_views_are_visited() -> None:
    soak = Soak(8)

    soak.run()

    assert soak.grown() == {}
    assert max(soak.marks[4:]) <= max(soak.marks[:4]) > 0


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_nothing_grows_in_an_hour() -> None:
    soak = Soak(60)

    soak.run()

    for minute in (9, 29, 44, 59):
        print(f"after {minute + 1} minutes {soak.rss_mib[minute]:.1f} MiB, {sum(soak.held[minute].values())} objects")
    assert soak.grown() == {}
