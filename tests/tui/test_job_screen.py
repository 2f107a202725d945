"""One job's screen, with its keys."""

from __future__ import annotations

from dataclasses import replace

import pytest
from textual.pilot import Pilot

from gpuq.errors import UnavailableError
from gpuq.models import JobState
from gpuq_tui.app import GpuqApp
from gpuq_tui.screens.confirm import Confirm
from gpuq_tui.screens.job import JobScreen
from gpuq_tui.screens.queue import QueueScreen
from gpuq_tui.widgets.pane import Pane, text_of
from tests.tui.scripted import (
    NOW,
    ScriptedClient,
    a_curve,
    a_job,
    a_running_job,
    a_series,
    an_app,
    piloted,
    screen_text,
)


def a_client() -> ScriptedClient:
    """Return a client with one running job that has two tags and a log."""
    curves = {tag: a_curve(a_series(tag)) for tag in ("accuracy", "loss", "\x1b[1m[b]evil")}
    return ScriptedClient(queue=[a_running_job(1)], curves=curves, log="".join(f"step {i}\n" for i in range(100)))


async def opened(pilot: Pilot[None]) -> None:
    """Open the selected job, with its curve."""
    await pilot.press("enter")
    await pilot.pause()
    await pilot.pause()
    assert isinstance(pilot.app.screen, JobScreen)


def title_of_chart(app: GpuqApp) -> str:
    """Return the rule above the chart."""
    return next(row for row in screen_text(app).split("\n") if "tag " in row and " of 3)" in row)


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
def test_a_job_shows_its_ranks_its_chart_and_its_log(size: tuple[int, int]) -> None:
    app = an_app(a_client())

    async def use(pilot: Pilot[None]) -> None:
        await opened(pilot)
        text = screen_text(app)

        for part in (
            "1 train (alice) RUNNING 1m",
            "RUNNING for 1m, attempt 1",
            "2 virtual GPUs = 2 workers x 1 on n1",
            "Rank 0  chief  RUNNING  on n1  pid 70  GPU 0",
            "loss: last 1 at step 2, min 1, max 3, 3 points",
            "step 99",
            "Log rank 0 of 2",
        ):
            assert part in text

    piloted(app, use, size)


def test_the_chart_turns_over_the_tags_in_both_directions_and_round() -> None:
    app = an_app(a_client())

    async def use(pilot: Pilot[None]) -> None:
        await opened(pilot)
        seen = [title_of_chart(app).split()[1]]
        for key in ("l", "right", "h", "left", "left"):
            await pilot.press(key)
            await pilot.pause()
            seen.append(title_of_chart(app).split()[1])

        evil = r"\x1b[1m[b]evil"
        assert seen == ["loss", evil, "accuracy", evil, "loss", "accuracy"]

    piloted(app, use)


def test_brackets_turn_over_the_logs_of_driver_and_ranks() -> None:
    client = a_client()
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        await opened(pilot)
        shown: list[str] = []
        for _ in range(3):
            await pilot.press("right_square_bracket")
            await pilot.pause()
            shown.append(next(w for w in ("driver", "rank 0", "rank 1") if f"Log {w} of 2" in screen_text(app)))
        assert shown == ["rank 1", "driver", "rank 0"]

    piloted(app, use)

    assert {rank for rank, _ in client.asked_logs} == {None, 0, 1}


def test_a_log_is_read_on_from_where_it_was_and_followed_unless_one_looks_elsewhere() -> None:
    client = a_client()
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        await opened(pilot)
        read_to = len(client.log)
        client.log += "half"
        await pilot.press("r")
        await pilot.pause()
        assert client.asked_logs[-1] == (0, read_to)
        assert "\nhalf\n" in screen_text(app)

        await pilot.press("tab", "tab", "k", "k")
        client.log += " a line\nnew\n"
        await pilot.press("r")
        await pilot.pause()
        assert "\nnew\n" not in screen_text(app)

        await pilot.press("F")
        assert "\nhalf a line\nnew\n" in screen_text(app)

    piloted(app, use)


def test_a_job_without_ranks_says_so_and_shows_the_drivers_log() -> None:
    client = ScriptedClient(queue=[a_job(1)])
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        await opened(pilot)
        text = screen_text(app)
        assert "job 1 waits (Resources)" in text
        assert "Log driver of 2" in text
        assert "Job 1 has no log yet." in text
        await pilot.press("l")
        assert "This job has written no values yet." in screen_text(app)

        client.queue, client.log = [a_running_job(1)], "hello\n"
        await pilot.press("r")
        await pilot.pause()
        await pilot.pause()
        assert "Log rank 0 of 2" in screen_text(app)
        assert "hello" in screen_text(app)

    piloted(app, use)


def test_a_failed_job_shows_its_first_failed_rank_with_its_last_lines() -> None:
    job = a_running_job(
        1, state=JobState.FAILED, ended_at=NOW, exit_code=137, error="Killed by signal 9", failed_rank=1,
        error_tail=("Traceback", "MemoryError"),
    )  # fmt: skip
    app = an_app(replace(a_client(), queue=[job]))

    async def use(pilot: Pilot[None]) -> None:
        await pilot.pause()
        await opened(pilot)
        text = screen_text(app)
        for part in (
            "exit code 137",
            "Killed by signal 9 (rank 1)",
            "| MemoryError",
            "failed first",
            "Log rank 1",
            "[ended]",
        ):
            assert part in text
        assert "[follow]" not in text

    piloted(app, use, (200, 60))


def test_enter_gives_one_pane_all_the_room_and_esc_goes_back_step_by_step() -> None:
    app = an_app(a_client())

    async def use(pilot: Pilot[None]) -> None:
        await opened(pilot)
        await pilot.press("tab", "tab", "enter")
        await pilot.pause()
        assert "step 80" in screen_text(app)
        assert "RUNNING for" not in screen_text(app)

        await pilot.press("escape")
        await pilot.pause()
        assert "RUNNING for" in screen_text(app)

        await pilot.press("escape")
        assert isinstance(app.screen, QueueScreen)

    piloted(app, use)


@pytest.mark.parametrize(
    ("tabs", "offered", "left_out"),
    [(0, (), ("h l tag", "[ ] rank", "smooth")), (1, ("h l tag", "+-0 smooth"), ("[ ] rank",)),
     (2, ("[ ] rank", "F follow"), ("h l tag", "smooth"))],
)  # fmt: skip
def test_a_pane_alone_offers_and_does_only_what_works_there(
    tabs: int, offered: tuple[str, ...], left_out: tuple[str, ...]
) -> None:
    app = an_app(a_client())

    async def use(pilot: Pilot[None]) -> None:
        await opened(pilot)
        before = title_of_chart(app)
        await pilot.press(*["tab"] * tabs, "enter")
        footer = screen_text(app).split("\n")[-1]
        assert all(part in footer for part in (*offered, "enter all panes", "q back"))
        assert not any(part in footer for part in (*left_out, "tab pane", "enter zoom"))
        focused = app.screen.focused
        await pilot.press("tab")
        assert app.screen.focused is focused

        await pilot.press("question_mark")
        help_text = text_of(app.screen.query_one(Pane))
        assert "next pane" not in help_text
        assert ("next tag" in help_text) is (tabs == 1)
        assert ("log of the next rank" in help_text) is (tabs == 2)

        await pilot.press("escape", *("h" if tabs != 1 else ""), "q")
        await pilot.pause()
        assert isinstance(app.screen, JobScreen)
        assert title_of_chart(app).split()[1] == before.split()[1]
        await pilot.press("q")
        assert isinstance(app.screen, QueueScreen)

    piloted(app, use)


@pytest.mark.parametrize("tabs", [0, 1, 2])
def test_the_last_line_fits_80_columns_in_every_pane(tabs: int) -> None:
    app = an_app(a_client())

    async def use(pilot: Pilot[None]) -> None:
        await opened(pilot)
        await pilot.press(*["tab"] * tabs)
        assert screen_text(app).endswith("q back")
        await pilot.press("enter")
        assert screen_text(app).endswith("q back")

    piloted(app, use)


def test_long_lines_of_a_log_are_wrapped_on_demand_and_the_place_stays() -> None:
    lines = ["x" * 200 + " end of x", *(f"{i} " + "y" * 100 for i in range(50))]
    app = an_app(replace(a_client(), log="\n".join(lines)))

    async def use(pilot: Pilot[None]) -> None:
        await opened(pilot)
        await pilot.press("tab", "tab", "enter", "g", "j")
        assert "\n0 yyy" in screen_text(app)
        await pilot.press("backslash")
        on_top = screen_text(app).split("\n")[3]
        assert on_top.startswith("0 y")
        await pilot.press("k")
        assert "end of x" in screen_text(app)
        await pilot.press("backslash", "G", "backslash")
        await pilot.pause()
        assert screen_text(app).split("\n")[-2] == "y" * 23

    piloted(app, use)


def test_the_chart_can_be_smoothed_and_drawn_on_a_logarithmic_axis() -> None:
    app = an_app(a_client())

    async def use(pilot: Pilot[None]) -> None:
        await opened(pilot)
        await pilot.press("tab", "plus", "plus", "Y")
        assert "smooth 0.6" in title_of_chart(app)
        assert "log y" in title_of_chart(app)
        await pilot.press("minus", "0", "Y", "minus")
        assert "smooth" not in title_of_chart(app)
        assert "log y" not in title_of_chart(app)

    piloted(app, use)


def test_a_job_is_cancelled_from_its_own_screen_too() -> None:
    client = a_client()
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        await opened(pilot)
        await pilot.press("ctrl+x")
        assert isinstance(app.screen, Confirm)
        await pilot.press("y")
        await pilot.pause()
        assert isinstance(app.screen, JobScreen)
        assert client.ran == [["cancel", "1"]]

        client.outputs["cancel"] = "gpuq: gpuqd does not answer: gone\n"
        await pilot.press("ctrl+x", "y")
        await pilot.pause()
        assert "gpuq: gpuqd does not answer: gone" in screen_text(app)

    piloted(app, use)


def test_before_the_first_answer_nothing_is_said_about_values_or_logs() -> None:
    client = a_client()
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        client.failure = UnavailableError("gpuqd does not answer at /s")
        await opened(pilot)
        text = screen_text(app)
        assert "no values yet" not in text
        assert "nothing written yet" not in text
        assert text.count("asking gpuqd…") == 2

    piloted(app, use)


def test_a_job_that_is_gone_is_said_and_its_last_state_stays() -> None:
    client = a_client()
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        await opened(pilot)
        client.queue = []
        await pilot.press("r")
        await pilot.pause()
        assert "There is no job 1." in screen_text(app)
        assert "RUNNING for 1m" in screen_text(app)

    piloted(app, use)
