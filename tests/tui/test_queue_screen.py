"""The root view, with its keys."""

from __future__ import annotations

import pytest
from textual import events
from textual.pilot import Pilot

from gpuq.errors import UnavailableError
from gpuq.models import JobState
from gpuq_tui.lines.line import Look, plain
from gpuq_tui.lines.verbs import is_reading
from gpuq_tui.screens.confirm import Confirm
from gpuq_tui.screens.help import HelpScreen
from gpuq_tui.screens.job import JobScreen
from gpuq_tui.screens.queue import QueueScreen
from gpuq_tui.widgets.pane import Pane, text_of
from tests.tui.scripted import (
    HOSTILE,
    ScriptedClient,
    Times,
    a_job,
    a_running_job,
    an_app,
    piloted,
    screen_text,
)


def selected(pilot: Pilot[None]) -> int | None:
    """Return the id of the job under the cursor."""
    assert isinstance(pilot.app.screen, QueueScreen)
    job = pilot.app.screen.selected
    return None if job is None else job.id


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
def test_the_first_screen_shows_cluster_jobs_and_why_the_selected_one_waits(size: tuple[int, int]) -> None:
    app = an_app(ScriptedClient(queue=[a_job(1), a_running_job(2, user="bob")]))

    async def use(pilot: Pilot[None]) -> None:
        text = screen_text(app)

        assert "gpuq prod  2 of 2 virtual GPUs busy" in text
        assert "> 1 " in text
        assert "needs 2 GPUs, 0 free" in text
        assert "loss 0.5 @ 40 v" in text
        assert "Job 1 needs 2 GPUs and 0 are free." in text

    piloted(app, use, size)


def test_keys_of_both_kinds_move_the_cursor_and_it_stays_inside() -> None:
    app = an_app(ScriptedClient(queue=[a_job(i) for i in range(1, 101)]))

    async def use(pilot: Pilot[None]) -> None:
        seen: list[int | None] = []
        for key in ("k", "j", "down", "up", "G", "j", "g", "ctrl+d", "ctrl+u", "pagedown", "pageup", "end", "home"):
            await pilot.press(key)
            seen.append(selected(pilot))

        half = seen[7]
        assert seen[:7] == [1, 2, 3, 2, 100, 100, 1]
        assert half is not None
        assert half > 4
        assert seen[8:] == [1, seen[9], 1, 100, 1]

    piloted(app, use)


def test_the_cursor_stays_on_its_job_when_others_come_and_go() -> None:
    client = ScriptedClient(queue=[a_job(1), a_job(2), a_job(3)])
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("j")
        client.queue = [a_job(2), a_job(3), a_job(4)]
        await pilot.press("r")
        await pilot.pause()
        assert selected(pilot) == 2

        client.queue = [a_job(3), a_job(4)]
        await pilot.press("r")
        await pilot.pause()
        assert selected(pilot) == 3

        client.queue = []
        await pilot.press("r")
        await pilot.pause()
        assert selected(pilot) is None
        assert "no job" in screen_text(app)

    piloted(app, use)


@pytest.mark.parametrize("is_passing", [True, False])
def test_a_job_that_ends_under_the_cursor_stays_until_the_cursor_moves(is_passing: bool) -> None:
    client = ScriptedClient(queue=[a_running_job(1), a_running_job(2), a_running_job(3)])
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        if not is_passing:
            await pilot.press("slash", *"state=run", "enter")
        await pilot.press("j")
        client.queue[1] = a_running_job(2, state=JobState.COMPLETED if is_passing else JobState.COMPLETING)
        for _ in range(2):
            await pilot.press("r")
            await pilot.pause()
        text = screen_text(app)
        assert selected(pilot) == 2
        assert f"2 train (alice) {client.queue[1].state}" in text
        assert [row[2] for row in text.split("\n")[4:7]] == ["1", "2", "3"]
        if is_passing:
            await pilot.press("ctrl+x")
            assert "Job 2 has ended already: COMPLETED." in screen_text(app)

        await pilot.press("j")
        await pilot.pause()
        assert selected(pilot) == 3
        assert "> 3 " in screen_text(app)
        assert "  2 train" not in screen_text(app)

    piloted(app, use)


def test_ended_jobs_are_shown_first_where_there_are_no_others_and_an_empty_list_says_what_to_do() -> None:
    client = ScriptedClient(queue=[a_job(1, state=JobState.FAILED, reason=None, error="out of memory")])
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        await pilot.pause()
        assert "out of memory" in screen_text(app)
        assert "a only active" in screen_text(app)

        await pilot.press("a")
        await pilot.pause()
        text = screen_text(app)
        assert "out of memory" not in text
        assert "`a` shows ended jobs" in text
        assert "`gpuq enqueue script.py` queues one" in text

    piloted(app, use)


def test_ended_jobs_come_back_after_another_view() -> None:
    app = an_app(ScriptedClient(queue=[a_job(1, state=JobState.FAILED, reason=None, error="out of memory")]))

    async def use(pilot: Pilot[None]) -> None:
        await pilot.pause()
        for key in ("a", "4", "1", "a"):
            await pilot.press(key)
            await pilot.pause()
        assert "out of memory" in screen_text(app)

    piloted(app, use)


def test_the_first_job_of_all_ends_as_in_any_queue() -> None:
    client = ScriptedClient()
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        await pilot.pause()
        assert "Jobs 0 of 0 | not ended" in screen_text(app)
        assert "`gpuq enqueue script.py` queues one" in screen_text(app)
        await pilot.press("slash", "x", "enter")
        await pilot.pause()
        assert "No job passes the filter" in screen_text(app)

    piloted(app, use)


def test_the_lower_pane_opens_the_job_too() -> None:
    app = an_app(ScriptedClient(queue=[a_running_job(1)]))

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("tab", "enter")
        assert isinstance(app.screen, JobScreen)

    piloted(app, use)


def test_while_a_filter_is_typed_its_keys_are_offered() -> None:
    app = an_app(ScriptedClient(queue=[a_job(1)]))

    async def use(pilot: Pilot[None]) -> None:
        assert "/" not in screen_text(app).split("\n")[-2]
        await pilot.press("slash", *"tr")
        *_, prompt, footer = screen_text(app).split("\n")
        assert prompt == "/tr"
        assert footer == "enter keep the filter  esc clear it"

        await pilot.press("enter")
        await pilot.pause()
        *_, above, footer = screen_text(app).split("\n")
        assert "/" not in above
        assert "enter open" in footer

    piloted(app, use)


def test_finished_jobs_come_and_go_with_a() -> None:
    app = an_app(ScriptedClient(queue=[a_job(1), a_job(2, state=JobState.FAILED, reason=None, error="out of memory")]))

    async def use(pilot: Pilot[None]) -> None:
        assert "out of memory" not in screen_text(app)
        await pilot.press("a")
        await pilot.pause()
        assert "out of memory" in screen_text(app)
        await pilot.press("a")
        await pilot.pause()
        assert "out of memory" not in screen_text(app)

    piloted(app, use)


def test_a_filter_works_while_it_is_typed_and_esc_takes_it_away() -> None:
    app = an_app(ScriptedClient(queue=[a_job(1, name="bert"), a_job(2, name="resnet"), a_job(3, name="resnet")]))

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("slash", *"resn")
        await pilot.pause()
        assert selected(pilot) == 2
        assert "Jobs 2 of 3 | not ended | /resn" in screen_text(app)

        await pilot.press("enter", "j", "j")
        assert selected(pilot) == 3

        await pilot.press("escape")
        await pilot.pause()
        assert "Jobs 3 of 3 | not ended ━" in screen_text(app)

        await pilot.press("slash", *"!q", "escape")
        await pilot.pause()
        assert "Jobs 3 of 3 | not ended ━" in screen_text(app)

    piloted(app, use)


def test_only_y_in_the_dialog_that_names_the_job_cancels_it() -> None:
    client = ScriptedClient(queue=[a_running_job(7, name="resnet")])
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        for answer in ("n", "escape", "enter", "q", "j"):
            await pilot.press("ctrl+x")
            assert isinstance(app.screen, Confirm)
            question = text_of(app.screen.query_one(Pane))
            assert "Job 7 resnet" in question
            assert "of alice, RUNNING for 1m, holds 2 GPUs." in question
            await pilot.press(answer)
        await pilot.press("n")
        assert client.ran == []

        await pilot.press("ctrl+x", "y")
        await pilot.pause()
        assert client.ran == [["cancel", "7"]]
        assert "cancel 7: done" in screen_text(app)

    piloted(app, use)


def test_a_task_is_cancelled_alone_and_of_an_array_gpuqd_says_which_jobs_are_meant() -> None:
    tasks = [a_job(4 + i, name="sweep", array_id=4, array_index=i) for i in range(3)]
    client = ScriptedClient(queue=tasks, outputs={"cancel": "Would cancel the tasks of array 4 (sweep, alice).\n" * 2})
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        assert "> 4_0  sweep" in screen_text(app)
        await pilot.press("ctrl+x")
        assert "Job 4_0 sweep" in screen_text(app)
        await pilot.press("y")
        await pilot.pause()
        assert client.ran == [["cancel", "4_0"]]

        await pilot.press("colon", *"cancel 4", "enter")
        await pilot.pause()
        assert client.ran[1:] == [["cancel", "--dry-run", "4"]]
        question = text_of(app.screen.query_one(Pane))
        assert "Would cancel the tasks of array 4 (sweep, alice)." in question
        await pilot.press("y", "2", "enter")
        await pilot.pause()
        assert client.ran[2:] == [["cancel", "4"]]

    piloted(app, use)


def test_q_closes_a_menu_and_does_nothing() -> None:
    client = ScriptedClient(queue=[a_running_job(1)])
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("x", "q")
        await pilot.pause()
        assert isinstance(app.screen, QueueScreen)
        assert client.ran == []

    piloted(app, use)


@pytest.mark.parametrize("size", [(40, 20), (80, 24)])
def test_no_line_of_the_help_is_cut(size: tuple[int, int]) -> None:
    app = an_app(ScriptedClient(queue=[a_running_job(1)]))

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("question_mark")
        await pilot.pause()
        pane = app.screen.query_one(Pane)
        assert all(len(plain(one)) <= pane.size.width for one in pane.lines)

    piloted(app, use, size)


def test_an_ended_job_is_not_cancelled_again() -> None:
    app = an_app(ScriptedClient(queue=[a_job(1, state=JobState.COMPLETED, reason=None)]))

    async def use(pilot: Pilot[None]) -> None:
        await pilot.pause()
        await pilot.press("ctrl+x")
        assert isinstance(app.screen, QueueScreen)
        assert "Job 1 has ended already" in screen_text(app)
        await pilot.press("j")
        assert "Job 1 has ended already" not in screen_text(app)

    piloted(app, use)


def test_no_bare_letter_destroys_and_pasted_text_fires_no_key() -> None:
    client = ScriptedClient(queue=[a_job(1), a_job(2)])
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        for letter in "abcdefhilmnoprstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789":
            await pilot.press(letter)
            await pilot.press("escape", "1")
            assert isinstance(app.screen, QueueScreen)
        assert all(is_reading(words) for words in client.ran)

        app.screen.post_message(events.Paste("qGj\x18y/"))
        await pilot.pause()
        assert app.is_running
        assert isinstance(app.screen, QueueScreen)

    piloted(app, use)


def test_help_lists_the_keys_of_the_view() -> None:
    app = an_app(ScriptedClient())

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        text = text_of(app.screen.query_one(Pane))
        for deed in ("open the job", "filter as you type", "cancel the job, or the marked ones (asks first)", "quit"):
            assert deed in text
        assert text.index("open the job") < text.index("next pane") < text.index("half a page down")

        await pilot.press("q")
        assert isinstance(app.screen, QueueScreen)

    piloted(app, use)


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
def test_it_quits_with_success(key: str) -> None:
    app = an_app(ScriptedClient(queue=[a_job(1)]))

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press(key)

    piloted(app, use)

    assert app.return_code == 0


def test_ctrl_c_quits_from_everywhere() -> None:
    for way in (("slash",), ("ctrl+x",), ("enter",), ("question_mark",)):
        app = an_app(ScriptedClient(queue=[a_job(1)]))

        async def use(pilot: Pilot[None], way: tuple[str, ...] = way) -> None:
            await pilot.press(*way, "ctrl+c")

        piloted(app, use)

        assert app.return_code == 0


def test_a_silent_gpuqd_is_said_with_the_age_of_the_data_and_no_span_goes_on() -> None:
    client, clock = ScriptedClient(queue=[a_running_job(1)]), Times()
    app = an_app(client, clock=clock)

    async def use(pilot: Pilot[None]) -> None:
        assert " 1m " in screen_text(app)
        assert "live, <8s old" in screen_text(app)
        client.failure = UnavailableError("gpuqd does not answer at /s: start it.")
        clock.now += 72
        await pilot.press("r")
        await pilot.pause()
        text = screen_text(app)
        assert "! gpuqd does not answer (1m ago) at /s: start it." in text
        assert "reconnecting  OLD DATA 1m ago" in text
        assert " 1m " in text
        assert " 2m " not in text
        await pilot.press("j", "question_mark", "escape")

        client.failure = None
        await pilot.press("r")
        await pilot.pause()
        assert "does not answer" not in screen_text(app)
        assert " 2m " in screen_text(app)

    piloted(app, use)


def test_without_any_answer_nothing_is_claimed() -> None:
    app = an_app(ScriptedClient(failure=UnavailableError("gpuqd does not answer at /s: start it.")))

    async def use(pilot: Pilot[None]) -> None:
        text = screen_text(app)
        assert "no data yet" in text
        assert "busy" not in text
        assert "queues one" not in text

    piloted(app, use)


def test_an_answer_of_another_version_is_said_and_survived() -> None:
    client = ScriptedClient(queue=[a_job(1)])
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        client.failure = KeyError("jobs")
        await pilot.press("r")
        await pilot.pause()
        assert "is newer than this gpuq" in screen_text(app)
        assert "> 1 " in screen_text(app)

    piloted(app, use)


def test_trouble_of_the_engine_is_on_top() -> None:
    app = an_app(ScriptedClient(engine_message="the Spark master died"))

    async def use(_pilot: Pilot[None]) -> None:
        assert "! engine: the Spark master died" in screen_text(app)

    piloted(app, use)


@pytest.mark.parametrize("size", [(80, 24), (200, 60), (20, 6), (1, 1)])
@pytest.mark.parametrize("is_ascii", [False, True])
def test_hostile_names_break_no_screen_of_any_size(size: tuple[int, int], is_ascii: bool) -> None:
    job = a_running_job(1, name=HOSTILE, user=HOSTILE, nodes=(HOSTILE,), error=HOSTILE, error_tail=(HOSTILE,) * 3)
    app = an_app(ScriptedClient(queue=[job], engine_message=HOSTILE, log=HOSTILE * 3), look=Look(is_ascii=is_ascii))

    async def use(pilot: Pilot[None]) -> None:
        for keys in (("j",), ("question_mark",), ("escape",), ("ctrl+x",), ("n",), ("enter",)):
            await pilot.press(*keys)
            await pilot.pause()
            text = screen_text(app)
            assert "\x1b" not in text
            assert "\x07" not in text
            assert "‮" not in text
            assert not is_ascii or [c for c in text if not c.isascii()] == []
            assert len(text.split("\n")) == size[1]

    piloted(app, use, size)
