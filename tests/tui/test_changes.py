"""The stream as the interface takes it up: from deltas to jobs, over restarts and silence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from textual.pilot import Pilot

from gpuq import __version__
from gpuq.client import Client, Json
from gpuq.models import JobState
from gpuq_tui.changes import Changes, Event, Told
from gpuq_tui.lines.line import Look
from gpuq_tui.mirror import Mirror
from tests.support.daemon import plain_gpuqd
from tests.tui.scripted import (
    ScriptedClient,
    ScriptedStream,
    Times,
    a_job,
    a_running_job,
    an_app,
    as_json,
    piloted,
    screen_text,
)

_LONG = "def main_fun(args, ctx):\n    import time\n    time.sleep(60)\n"


def heard(changes: Changes, mirror: Mirror) -> Iterator[Told]:
    """Yield what is told, once the mirror has it."""
    while True:
        told = changes.next()
        mirror.take(told)
        yield told


def first(told: Iterator[Told], field: str) -> Told:
    """Return the first that has this field."""
    return next(one for one in told if getattr(one, field))


class OneStream:
    """Gives scripted batches, stream after stream, and notes from where each was to go on."""

    def __init__(self, *streams: list[list[Event]]) -> None:
        self.streams = list(streams)
        self.asked: list[str | None] = []

    def stream(self, *, last: str | None = None, heartbeat_s: float = 15, table: bool = False) -> ScriptedStream:
        """Return the next stream, which ends after what it tells."""
        self.asked.append(last)
        stream = ScriptedStream([])
        stream.last = last
        for number, batch in enumerate(self.streams.pop(0)):
            stream.tell(*batch)
            stream.last = f"e-{number}"
        stream.close()
        return stream


def snapshot(*jobs: Any) -> list[Event]:
    """Return what a stream begins with."""
    cluster: Json = {"name": "c", "version": "1", "engine_ok": True, "nodes": []}
    return [("reset", {}), ("cluster", cluster), ("jobs", {"jobs": [as_json(job) for job in jobs]}), ("ready", {})]


def test_what_changed_is_put_over_what_was_told() -> None:
    client = OneStream([snapshot(a_job(1), a_job(2)), [("job", {"id": 2, "name": "other"}), ("removed", {"id": 1})]])
    mirror = Mirror()
    told = heard(Changes(client, Look()), mirror)

    before = first(told, "is_whole")
    first(told, "is_news")

    assert before.jobs[2] == a_job(2)
    assert mirror.jobs(everything=False) == (a_job(2, name="other"),)


def test_a_job_whose_row_was_never_told_is_left_out() -> None:
    client = OneStream([snapshot(a_job(1)), [("job", {"id": 9, "state": "COMPLETED", "ended_at": 3.0})]])
    mirror = Mirror()
    told = heard(Changes(client, Look()), mirror)
    first(told, "is_whole")

    after = next(one for one in told if one.is_heard)

    assert after.jobs == {}
    assert after.problem is None


def test_a_stream_that_broke_within_its_beginning_goes_on_from_nowhere() -> None:
    client = OneStream([snapshot(a_job(1))], [[("reset", {}), ("jobs", {"jobs": []})]], [snapshot(a_job(2))])
    mirror = Mirror()
    changes = Changes(client, Look())
    told = heard(changes, mirror)
    first(told, "is_whole")
    first(told, "problem")
    first(told, "problem")

    assert mirror.jobs(everything=False) == (a_job(1),), "what is half told is not shown"
    first(told, "is_whole")
    assert mirror.jobs(everything=False) == (a_job(2),)
    assert client.asked[0] is None
    assert client.asked[1] is not None
    assert client.asked[2] is None


def test_a_job_that_is_queued_again_is_back_in_its_place() -> None:
    mirror = Mirror()
    mirror.take(Told(jobs={1: a_job(1), 2: a_job(2)}, is_whole=True))

    mirror.take(Told(jobs={1: a_job(1, state=JobState.FAILED)}))
    assert [job.id for job in mirror.jobs(everything=False)] == [2]
    mirror.take(Told(jobs={1: a_job(1)}))

    assert [job.id for job in mirror.jobs(everything=False)] == [1, 2]
    assert [job.id for job in mirror.jobs(everything=True)] == [1, 2]


def test_jobs_that_ended_are_kept_to_a_bound() -> None:
    mirror = Mirror()
    for number in range(1, 3000):
        mirror.take(Told(jobs={number: a_job(number, state=JobState.COMPLETED)}))

    assert [job.id for job in mirror.jobs(everything=True)] == list(range(2000, 3000))


def test_where_all_that_ended_are_known_many_more_are_a_reason_to_ask_anew() -> None:
    mirror = Mirror()
    mirror.take_ended([a_job(number, state=JobState.COMPLETED) for number in range(1, 5001)])

    for number in range(5001, 6001):
        mirror.take(Told(jobs={number: a_job(number, state=JobState.COMPLETED)}))
    assert (mirror.has_ended, mirror.count) == (True, 6000)
    mirror.take(Told(jobs={6001: a_job(6001, state=JobState.COMPLETED)}))

    assert (mirror.has_ended, mirror.count) == (False, 1000)
    assert mirror.job(6001) is not None


def test_a_gpuqd_that_only_says_that_gpus_have_changed_is_understood() -> None:
    client = OneStream([[("gpus", {"at": 1.0}), *snapshot(a_job(1))], [("gpus", {"at": 2.0})]])
    mirror = Mirror()
    told = heard(Changes(client, Look()), mirror)
    first(told, "is_whole")

    after = next(told)

    assert (after.problem, mirror.gpus, len(mirror.jobs(everything=False))) == (None, (), 1)


@pytest.mark.parametrize(
    ("version", "says"),
    [
        (__version__, "is of an older build than this gpuq"),
        ("0.0.1", f"gpuqd 0.0.1 is older than this gpuq {__version__} and is not understood (KeyError: 'id')"),
        ("99", f"gpuqd 99 is newer than this gpuq {__version__} and is not understood (KeyError: 'id')"),
        (7, "is of an older build than this gpuq"),
        pytest.param("\x1b[2J" * 1000, "is not understood", id="hostile"),
    ],
)
def test_a_gpuqd_of_another_version_that_is_not_understood_is_one_sentence(version: object, says: str) -> None:
    cluster: Json = {"name": "c", "version": version, "engine_ok": True, "nodes": []}
    client = OneStream([[("reset", {}), ("cluster", cluster), ("job", {"no": "id"})]])

    problem = first(heard(Changes(client, Look()), Mirror()), "problem").problem

    assert problem is not None
    assert says in problem
    assert "\x1b" not in problem
    assert len(problem) < 400


def test_what_gpuqd_tells_is_shown_without_asking() -> None:
    client = ScriptedClient(queue=[a_job(1), a_job(2)])
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        asked = list(client.asked)
        client.streams[-1].tell(("job", {**as_json(a_running_job(2)), "name": "bert"}), ("node", {"name": "n1"}))
        await pilot.pause()
        await pilot.pause()
        assert "bert" in screen_text(app)
        assert "loss 0.5 @ 40" in screen_text(app)
        assert client.asked == asked

    piloted(app, use)


def test_a_paused_screen_stands_still_and_goes_on_with_what_came_meanwhile() -> None:
    client, clock = ScriptedClient(queue=[a_job(1)]), Times()
    app = an_app(client, clock=clock)

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("p")
        await pilot.pause()
        still = screen_text(app)
        assert "PAUSED at " in still
        clock.now += 3600
        client.streams[-1].tell(("job", as_json(a_job(2, name="bert"))))
        await pilot.pause()
        app.view.show_time()
        await pilot.pause()
        assert screen_text(app) == still

        await pilot.press("p")
        await pilot.pause()
        text = screen_text(app)
        assert "PAUSED" not in text
        assert "bert" in text
        assert " 1h01m " in text

    piloted(app, use)


def test_silence_is_shown_once_it_is_longer_than_gpuqd_is_ever_silent() -> None:
    client, clock = ScriptedClient(queue=[a_running_job(1)]), Times()
    app = an_app(client, clock=clock)

    async def use(pilot: Pilot[None]) -> None:
        clock.now += 7
        app.view.show_time()
        assert "live, <8s old" in screen_text(app)
        clock.now += 62
        app.view.show_time()
        await pilot.pause()
        text = screen_text(app)
        assert "OLD DATA 1m ago" in text
        assert "! gpuqd does not answer (1m ago): still waiting" in text
        assert " 1m " in text

        client.streams[-1].tell(("", None))
        await pilot.pause()
        assert "live, <8s old" in screen_text(app)

    piloted(app, use)


def test_ended_jobs_are_asked_for_once() -> None:
    client = ScriptedClient(queue=[a_job(1), a_job(2, state=JobState.COMPLETED)])
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("a")
        await pilot.pause()
        client.streams[-1].tell(("job", {"id": 1, "state": "COMPLETED", "reason": None, "ended_at": 9e5}))
        await pilot.pause()
        await pilot.press("a", "a")
        await pilot.pause()
        assert "Jobs 2 of 2 | all" in screen_text(app)
        assert client.asked.count("jobs") == 1

    piloted(app, use)


def test_a_restart_of_gpuqd_is_gone_through_and_nothing_is_lost() -> None:
    with plain_gpuqd() as daemon:
        waits = daemon.enqueue(_LONG, hold=True)
        mirror = Mirror()
        changes = Changes(Client(daemon.client.path), Look())
        told = heard(changes, mirror)
        first(told, "is_whole")

        daemon.kill()
        assert first(told, "problem").problem
        assert [job.id for job in mirror.jobs(everything=False)] == [waits], "what was told stays"
        daemon.start()
        more = daemon.enqueue(_LONG, hold=True)
        first(told, "is_whole")
        while [job.id for job in mirror.jobs(everything=False)] != [waits, more]:
            assert next(told).problem is None
        changes.close()
