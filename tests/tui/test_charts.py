"""The charts view: kinds of charts, zoom, cursor, several jobs, and what is said where there is nothing to draw."""

from __future__ import annotations

from dataclasses import replace

import pytest
from textual.pilot import Pilot

from gpuq.models import JobState
from gpuq.summaries import SeriesKind
from gpuq_tui.lines.chart import chart_lines, places, value_at
from gpuq_tui.lines.coloured import coloured
from gpuq_tui.lines.line import Look, Tone, plain
from gpuq_tui.lines.scale import Scale
from gpuq_tui.lines.undrawn import KINDS, no_curves
from gpuq_tui.screens.charts import ChartsScreen
from tests.tui.scripted import (
    ScriptedClient,
    a_curve,
    a_job,
    a_running_job,
    a_series,
    an_app,
    piloted,
    screen_text,
)


def a_client(*tags: str) -> ScriptedClient:
    """Return two running jobs with curves, a distribution and a checkpoint."""
    curves = {tag: a_curve(a_series(tag), [3.0, 2.0, 1.0]) for tag in tags or ("loss",)}
    curves["kernel"] = a_curve(a_series("kernel", kind=SeriesKind.HISTOGRAM))
    queue = [a_running_job(1, name="first"), a_running_job(2, name="second")]
    return ScriptedClient(queue=queue, curves=curves, variables=("dense/kernel",))


def test_one_key_leads_from_curves_to_distributions_to_the_newest_checkpoint_and_back() -> None:
    app = an_app(a_client())

    async def use(pilot: Pilot[None]) -> None:
        seen: list[str] = []
        await pilot.press("v")
        for _ in range(4):
            await pilot.pause()
            seen.append(screen_text(app))
            await pilot.press("d")

        curves, steps, weights, again = seen
        assert "loss  1 of 1" in curves
        assert "job 1: kernel  1 of 1" in steps
        assert "from -1 to 1" in steps
        assert "█" in steps
        assert "job 1: dense/kernel  1 of 1" in weights
        assert "6 numbers: 1 zero, 0 NaN, 0 infinite" in weights
        assert "loss  1 of 1" in again

    piloted(app, use)


def test_distributions_are_a_map_or_a_line_a_step() -> None:
    app = an_app(a_client())

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("v", "d")
        await pilot.pause()
        before = screen_text(app)
        await pilot.press("R")
        await pilot.pause()

        assert "█" in before
        assert screen_text(app) != before
        assert "\n5 " in screen_text(app)  # a step, in front of its line

    piloted(app, use)


def test_zooming_in_asks_for_the_part_around_the_cursor_and_out_for_all_again() -> None:
    client = a_client()
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("v")
        await pilot.pause()
        await pilot.press("i")
        await pilot.pause()
        assert (client.asked_curves[-1]["begin"], client.asked_curves[-1]["end"]) == (1.0, 2.0)
        assert "zoomed" in screen_text(app)

        await pilot.press("o", "comma", "comma", "comma", "i")
        await pilot.pause()
        assert (client.asked_curves[-1]["begin"], client.asked_curves[-1]["end"]) == (0.0, 1.0)

        await pilot.press("right_curly_bracket")
        await pilot.pause()
        assert (client.asked_curves[-1]["begin"], client.asked_curves[-1]["end"]) == (0.5, 1.5)

        await pilot.press("a")
        await pilot.pause()
        assert client.asked_curves[-1]["x"] == "relative"
        assert client.asked_curves[-1]["begin"] is None

    piloted(app, use)


def test_the_cursor_is_in_all_charts_and_its_values_stand_below() -> None:
    app = an_app(a_client("loss", "acc"))

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("v")
        await pilot.pause()
        await pilot.press("comma", "comma")
        await pilot.pause()
        text = screen_text(app)
        assert "loss: 2 at step 1" in text
        assert "acc: 2 at step 1" in text

        await pilot.press("full_stop", "full_stop")
        await pilot.pause()
        assert "loss: last 1 at step 2" in screen_text(app)

    piloted(app, use)


def test_jobs_are_laid_over_each_other_and_taken_away_by_choice() -> None:
    app = an_app(a_client())

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("v")
        await pilot.pause()
        await pilot.press("space")
        await pilot.pause()
        assert "- 1 first" in screen_text(app)
        assert "+ 2 second" in screen_text(app)

        await pilot.press("2")
        await pilot.pause()
        assert isinstance(app.screen, ChartsScreen)
        assert [job.id for job in app.screen.chosen] == [1, 2]
        assert "1 loss: last 1" in screen_text(app)

        await pilot.press("space", "1")
        await pilot.pause()
        assert [job.id for job in app.screen.chosen] == [2]

    piloted(app, use)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (JobState.PENDING, "waits (Resources)"),
        (JobState.RUNNING, "runs, and has written no value yet"),
        (JobState.COMPLETED, "ended COMPLETED and wrote no value"),
    ],
)
def test_where_there_is_no_curve_it_is_said_why(state: JobState, expected: str) -> None:
    job = a_job(5, state=state)
    app = an_app(ScriptedClient(queue=[job]))

    async def use(pilot: Pilot[None]) -> None:
        await pilot.pause()
        await pilot.press("v")
        await pilot.pause()
        assert expected in " ".join(screen_text(app).split())

    piloted(app, use)
    assert expected in no_curves(job, "curves")


def test_damaged_event_files_are_named_where_nothing_is_drawn() -> None:
    job = a_running_job(5, damaged_events=3)

    assert "damaged (3 records lost)" in no_curves(job, "curves")
    assert all(no_curves(job, kind) for kind in KINDS)


def test_nan_is_marked_and_named() -> None:
    curve = replace(a_curve(a_series("loss"), [1.0, float("nan"), 1.0]), nans=(0, 1, 0), nan_count=1)

    lines = chart_lines([curve], "", Scale(), width=60, height=12, look=Look())

    assert any("×" in plain(one) for one in lines[:-1])
    assert "1 of them NaN" in plain(chart_lines([curve], "", Scale(), width=160, height=12, look=Look())[-1])
    assert "NaN" in value_at(curve, 1.0, [curve], Scale()).replace("nan", "NaN")
    assert places([curve], Scale()) == [0.0, 1.0, 2.0]


def test_colours_tell_curves_apart_and_without_colours_their_signs_do() -> None:
    curves = [a_curve(a_series("loss", job_id=i), [3.0, 2.0, float(i)]) for i in (1, 2)]

    def spans(palette: str) -> set[Tone]:
        lines = chart_lines(curves, "", Scale(), width=60, height=14, look=Look(palette=palette))
        return {tone for one in lines for _, tone in one}

    assert {Tone.CURVE_1, Tone.CURVE_2} <= spans("ansi")
    assert spans("mono") == {Tone.PLAIN, Tone.DIM}
    assert plain(coloured("a\x1b[94mb\x1b[0mc\x1b[31md")) == "abcd"


def test_why_there_are_no_weights_is_said_once() -> None:
    app = an_app(ScriptedClient(queue=[a_running_job(1)]))

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("v", "d", "d")
        await pilot.pause()
        await pilot.pause()
        text = " ".join(screen_text(app).split())
        assert text.count("checkpoint") == 1
        assert "gpuqd says" not in text

    piloted(app, use, (120, 40))
