"""The sides of a job: its time, what happened to it, checkpoints; logs merged, upwards and of all attempts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from textual.pilot import Pilot

from gpuq.models import Job, JobState, Message, Signal, SignalKind
from gpuq.tracing import Trace
from gpuq_tui.lines import log as log_lines
from gpuq_tui.lines.chart import label
from gpuq_tui.lines.line import Line, Look, plain
from gpuq_tui.lines.log import MOST_LINES, LogPiece, LogTail
from gpuq_tui.lines.logs import Logs
from gpuq_tui.lines.story import event_lines, timeline_lines
from gpuq_tui.widgets.log import LogPane
from tests.tui.scripted import (
    A_CHECKPOINT,
    HOSTILE,
    NOW,
    ScriptedClient,
    a_job,
    a_running_job,
    an_app,
    piloted,
    screen_text,
)

A_SAVED = replace(A_CHECKPOINT, saved_at=NOW - 100)


def a_second_attempt() -> Job:
    """Return a job that runs again after it lost a node."""
    return a_running_job(
        1,
        attempt=2,
        submitted_at=NOW - 1000,
        started_at=NOW - 400,
        running_at=NOW - 300,
        signals=(
            Signal(kind=SignalKind.NAN, attempt=2, rank=0, tag="loss", step=3, wall_time=NOW - 10, text="loss is NaN"),
        ),
    )


def a_first_attempt() -> Trace:
    """Return its attempt before that."""
    return Trace(
        job_id=1, name="train", user="alice", account="root", state="RUNNING", attempt=1, matched="job", rank=None,
        application_id=None, driver_pid=None, started_at=NOW - 900, ended_at=NOW - 600, end_reason="NodeLost",
        log_uri=None,
    )  # fmt: skip


def text_of(lines: Sequence[Line]) -> str:
    return "\n".join(plain(one).rstrip() for one in lines)


def test_what_happened_is_told_in_its_order_over_all_attempts() -> None:
    job = a_second_attempt()

    text = text_of(event_lines(job, [a_first_attempt()], [A_SAVED], width=100, look=Look()))

    told = ["submitted by alice", "attempt 1 starts", "attempt 1 ends: NodeLost", "attempt 2 starts on n1"]
    told += ["all 2 ranks run", "checkpoint ckpt-5", "! loss is NaN", "RUNNING"]
    places = [text.index(part) for part in told]
    assert places == sorted(places)


def test_attempts_checkpoints_and_signals_stand_along_one_time() -> None:
    job = a_second_attempt()
    rows = [plain(one) for one in timeline_lines(job, [a_first_attempt()], [A_SAVED], now=NOW, width=113, look=Look())]

    waits, first, second, checkpoints, signals, times = rows[:6]
    assert waits.rstrip().endswith(".")
    assert waits.count(".") == 10
    assert first.index("=") - 13 == 10
    assert "NodeLost" in first
    assert (second.count(":"), second.count("=")) == (10, 30)
    assert checkpoints.index("o", 13) - 13 == 90
    assert signals.index("!") - 13 == 99
    assert "00:00:00" in times


@pytest.mark.parametrize("width", [1, 20, 80, 300])
def test_a_story_of_anything_stays_in_its_width(width: int) -> None:
    job = a_job(1, name=HOSTILE, error=HOSTILE, state=JobState.FAILED, ended_at=NOW - 2000)

    lines = timeline_lines(job, [a_first_attempt()], [], now=NOW, width=width, look=Look())

    assert all(len(plain(one)) <= max(width, 24) for one in lines)
    assert event_lines(job, [], [], width=width, look=Look())


def test_tabs_lead_to_all_sides_of_a_job_and_esc_back() -> None:
    client = ScriptedClient(queue=[a_second_attempt()], log="hello\n", variables=("w",), traces=(a_first_attempt(),))
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("enter")
        await pilot.pause()
        for key, tab, expected in (
            ("T", "[T Timeline]", "attempt 1"),
            ("e", "[E Events]", "attempt 1 ends: NodeLost"),
            ("C", "[C Checkpoints]", "ckpt-5"),
            ("L", "[L Log]", "hello"),
        ):
            await pilot.press(key)
            await pilot.pause()
            await pilot.pause()
            assert tab in screen_text(app)
            assert expected in screen_text(app)
            assert "…" not in screen_text(app).split("\n")[-1]
        await pilot.press("escape")
        await pilot.pause()
        assert "[O Overview]" in screen_text(app)
        await pilot.press("escape")
        await pilot.pause()
        assert "[1 Queue]" in screen_text(app)

    piloted(app, use)


def test_all_ranks_are_read_as_one_log_with_tags() -> None:
    client = ScriptedClient(queue=[a_running_job(1)], rank_logs={0: "one\nthree\n", 1: "two\n"})
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("enter", "L", "A")
        await pilot.pause()
        text = screen_text(app)
        assert "Log all ranks of 2" in text
        assert "0| one\n0| three\n1| two\n" in text

        client.rank_logs[1] += "\x1b[2Jfour\n"
        await pilot.press("r")
        await pilot.pause()
        assert "1| two\n1| \\x1b[2Jfour\n" in screen_text(app)

        await pilot.press("A")
        await pilot.pause()
        assert "Log rank 0 of 2" in screen_text(app)

    piloted(app, use)


def test_a_rank_s_streams_are_shown_together_or_one_alone() -> None:
    client = ScriptedClient(queue=[a_running_job(1)], rank_logs={0: "stdout a\nstderr b\n", None: "driver\n"})
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("enter", "L")
        for title, there, gone in (
            ("rank 0 of 2  ", "stdout a\nstderr b", "nothing"),
            ("rank 0 of 2, stdout alone", "stdout a", "stderr b"),
            ("rank 0 of 2, stderr alone", "stderr b", "stdout a"),
            ("rank 0 of 2  ", "stdout a\nstderr b", "nothing"),
        ):
            await pilot.pause()
            await pilot.pause()
            assert title in screen_text(app)
            assert there in screen_text(app)
            assert gone not in screen_text(app)
            await pilot.press("u")
        client.are_streams_told = False
        await pilot.press("A")
        await pilot.pause()
        assert "Log all ranks of 2, both (not told apart)" in screen_text(app)
        await pilot.press("A", "left_square_bracket", "u")
        assert "The driver's log is one" in screen_text(app)

    piloted(app, use)


def test_the_log_of_an_earlier_attempt_is_one_key_away() -> None:
    client = ScriptedClient(queue=[a_second_attempt()], log="now\n")
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("enter", "L", "left_parenthesis")
        await pilot.pause()
        assert "attempt 1 of 2" in screen_text(app)
        assert "\nattempt 1\n" in screen_text(app)
        await pilot.press("left_parenthesis")
        assert "this is the first" in screen_text(app)
        await pilot.press("right_parenthesis")
        await pilot.pause()
        assert "\nnow\n" in screen_text(app)

    piloted(app, use)


def test_a_great_log_opens_at_its_end_and_goes_on_upwards() -> None:
    client = ScriptedClient(queue=[a_running_job(1)], log="".join(f"line {i}\n" for i in range(20_000)))
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("enter", "L")
        await pilot.pause()
        first = client.asked_logs[0]
        assert first[1] < 0
        assert "line 19999" in screen_text(app)
        for _ in range(8):
            await pilot.press("g", "k")
            await pilot.pause()
            await pilot.pause()
        await pilot.press("g")
        await pilot.pause()
        assert "line 0\nline 1\n" in screen_text(app)

    piloted(app, use)


def test_what_is_read_stays_in_place_while_more_comes_than_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    client = ScriptedClient(queue=[a_running_job(1)], log="".join(f"line {i}\n" for i in range(1000)))
    app = an_app(client)
    monkeypatch.setattr(log_lines, "MOST_LINES", 2_500)

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("enter", "L")
        await pilot.pause()
        await pilot.press("k", "k", "backslash")
        before = screen_text(app).splitlines()[3:-1]
        for pieces in range(1, 3):
            client.log += "".join(f"line {i:198}\n" for i in range(1000 * pieces, 1000 * (pieces + 1)))
            await pilot.press("r")
            await pilot.pause()
            assert screen_text(app).splitlines()[3:-1] == before
        assert plain(app.screen.query_one("#log", LogPane).lines[0]) == "line 500"

    piloted(app, use)


@pytest.mark.parametrize("ranks", [1, 2])
def test_lines_that_are_not_kept_any_more_are_told(ranks: int) -> None:
    def with_lines(logs: Logs, begin: int, end: int) -> Logs:
        def piece(data: str, offset: int) -> LogPiece:
            end = offset + len(data)
            return LogPiece(data=data, offset=offset, next_offset=end, size=end, is_final=False)

        texts = ["".join(f"{i} of {rank}\n" for i in range(begin, end)) for rank in range(ranks)]
        return logs.with_pieces(
            [piece(text, tail.next_offset or 0) for text, tail in zip(texts, logs.tails, strict=True)]
        )

    most = MOST_LINES // ranks
    full = with_lines(Logs.of(range(ranks), None), 0, most)

    more = with_lines(full, most, most + 7)

    assert more.above(full) == -7 * ranks
    assert len({plain(row) for row in more.view()}) == len(more.view()) == MOST_LINES
    assert more.view()[: -7 * ranks] == full.view()[7 * ranks :]


def test_merged_lines_stand_by_their_times_where_they_have_some() -> None:
    texts = ("26/11/26 05:00:01 a\ncontinued\n26/11/26 05:00:03 c\n", "26/11/26 05:00:02 b\n")
    pieces = [LogPiece(data=t, offset=0, next_offset=len(t), size=len(t), is_final=False) for t in texts]

    logs = Logs.of((0, 1), None).with_pieces(pieces)

    assert [plain(one) for one in logs.view()] == [
        "0| 26/11/26 05:00:01 a",
        "0| continued",
        "1| 26/11/26 05:00:02 b",
        "0| 26/11/26 05:00:03 c",
    ]


def test_pieces_put_together_backwards_are_the_log() -> None:
    log = "".join(f"line {i} {'x' * (i % 7)}\n" for i in range(50))

    def piece(begin: int, end: int) -> LogPiece:
        return LogPiece(data=log[begin:end], offset=begin, next_offset=end, size=len(log), is_final=False)

    for step in (1, 3, 10, 100):
        tail, begin = LogTail().with_piece(piece(len(log) - 30, len(log))), len(log) - 30
        while begin:
            earlier = max(0, begin - step)
            tail, begin = tail.with_earlier(piece(earlier, begin)), earlier
        assert "\n".join(tail.lines) + "\n" == log


def test_what_the_owner_was_told_stands_among_the_events() -> None:
    client = ScriptedClient(queue=[a_running_job(1)])
    webhook = Message(
        id=1, key="k", job_id=1, user="alice", event="nan", kind="webhook", address="https://hooks.example/secret/path",
        at=NOW - 10, state="dropped", tries=8, said="it answered 404",
    )  # fmt: skip
    client.told = [webhook, replace(webhook, id=2, kind="mail", address=HOSTILE, state="sent", said=None)]
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("enter", "e")
        await pilot.pause()
        await pilot.pause()
        text = screen_text(app)
        assert "told alice of nan by webhook https://hooks.example: dropped (it answered 404)" in text
        assert "secret" not in text
        assert "told alice of nan by mail" in text

    piloted(app, use, (120, 40))


def test_charts_of_what_gpuq_samples_are_named_as_a_person_would() -> None:
    assert label("cpu/util", "/gpuq", Look()) == "CPU used, % of one core"
    assert label("loss", "train", Look()) == "train/loss"
    assert label("loss", ".", Look()) == "loss"
