"""Every verb of the command line, typed into the interface in front of a real gpuqd: what it says is seen there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from gpuq.cli.group import root
from gpuq.client_admin import AdminClient
from gpuq_tui.app import GpuqApp
from gpuq_tui.lines.line import Look
from gpuq_tui.lines.verbs import NOT_HERE
from gpuq_tui.running import starts
from gpuq_tui.screens.confirm import Confirm
from gpuq_tui.screens.output import OutputScreen
from gpuq_tui.screens.prompt import Prompt
from gpuq_tui.threads import in_thread
from gpuq_tui.widgets.log import LogPane
from gpuq_tui.widgets.pane import Pane, text_of
from tests.support.daemon import Gpuqd, plain_gpuqd
from tests.test_curves_course import _WRITES, a_training  # pyright: ignore[reportPrivateUsage]
from tests.tui.scripted import piloted, screen_text

_EMPTY = "def main_fun(args, ctx):\n    pass\n"
_LINES = {
    "enqueue": ("enqueue {script} --hold", "Queued job"),
    "queue": ("queue", "JOB"),
    "resubmit": ("resubmit 1 --hold", "Queued job"),
    "history": ("history", "CD"),
    "show": ("show 1", "COMPLETED"),
    "why": ("why 2", "Job 2 is PENDING"),
    "when": ("when 2", "2"),
    "logs": ("logs 1", "no output"),
    "trace": ("trace 1", "job 1"),
    "stacks": ("stacks 2", "2"),
    "events": ("events 1", "COMPLETED"),
    "plot": ("plot 1 loss", "loss"),
    "histogram": ("histogram 1 hidden/kernel", "hidden/kernel"),
    "compare": ("compare 1 3 loss", "loss"),
    "report": ("report 1", "loss"),
    "export": ("export 1 -o {out}", "points"),
    "checkpoint": ("checkpoint 1", "checkpoint"),
    "weights": ("weights 1 x", "checkpoint"),
    "notices": ("notices", "Nothing was told"),
    "wait": ("wait 1", "1"),
    "hold": ("hold 4", "4"),
    "release": ("release 4", "4"),
    "update": ("update 2 nice=5", "2"),
    "prio": ("prio", "2"),
    "share": ("share", "account"),
    "usage": ("usage", "GPU"),
    "free": ("free", "plain"),
    "nodes": ("nodes", "plain-1"),
    "completions": ("completions bash", "complete"),
    "gpus": ("gpus", "plain-1"),
    "requeue": ("requeue 3", "3"),
    "cancel": ("cancel 2", "2"),
    "admin account add": ("admin account add bio", "bio"),
    "admin account modify": ("admin account modify bio --shares 3", "bio"),
    "admin account list": ("admin account list", "bio"),
    "admin user add": ("admin user add ann --account bio", "ann"),
    "admin user default": ("admin user default ann bio", "ann"),
    "admin user list": ("admin user list", "ann"),
    "admin share": ("admin share bio 2", "bio"),
    "admin user delete": ("admin user delete ann --account bio", "ann"),
    "admin account delete": ("admin account delete bio", "bio"),
    "admin qos add": ("admin qos add urgent --priority 5", "urgent"),
    "admin qos modify": ("admin qos modify urgent --priority 6", "urgent"),
    "admin qos list": ("admin qos list", "urgent"),
    "admin qos delete": ("admin qos delete urgent", "urgent"),
    "admin limit set": ("admin limit set user:ann running-gpus=8", "user:ann"),
    "admin limit list": ("admin limit list", "ann"),
    "admin limit clear": ("admin limit clear user:ann", "ann"),
    "admin reservation create": ("admin reservation create r --nodes plain-2 --start now+1hour --end now+2hours", "r"),
    "admin reservation list": ("admin reservation list", "plain-2"),
    "admin reservation delete": ("admin reservation delete r", "r"),
    "admin node drain": ("admin node drain plain-2 --reason fan", "plain-2"),
    "admin node list": ("admin node list", "fan"),
    "admin node resume": ("admin node resume plain-2", "plain-2"),
    "admin node history": ("admin node history", "plain-2"),
    "admin diag": ("admin diag", "gpuqd"),
    "admin token create": ("admin token create --name x", "token"),
    "admin token list": ("admin token list", "x"),
    "admin token revoke": ("admin token revoke 1", "is revoked"),
    "admin audit": ("admin audit", "plain-2"),
    "admin batch": ("admin batch {batch}", "bio2"),
    "admin simulate": ("admin simulate --help", "simulate"),
    "admin eta-report": ("admin eta-report", "e"),
    "admin report": ("admin report", "GPU"),
    "admin replay": ("admin replay", "replay"),
    "admin what-if": ("admin what-if 'drain plain-1'", "would start at another time"),
}
"""A line of each verb, and what is seen then."""


def verbs(command: click.Command = root, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if not isinstance(command, click.Group):
        yield words
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from verbs(found, (*words, name))


def test_no_verb_is_left_out() -> None:
    assert {" ".join(words) for words in verbs()} == set(_LINES) | set(NOT_HERE)


@pytest.fixture(scope="module")
def gpuqd() -> Iterator[Gpuqd]:
    with plain_gpuqd() as daemon:
        trains = _WRITES.format(name="events.out.tfevents.1", data=a_training(0.05))
        daemon.ended(daemon.enqueue(trains))
        daemon.enqueue(_EMPTY, hold=True)
        daemon.ended(daemon.enqueue(trains))
        daemon.enqueue(_EMPTY, hold=True)
        yield daemon


def an_app(gpuqd: Gpuqd) -> GpuqApp:
    path = gpuqd.client.path
    return GpuqApp(AdminClient(path), look=Look(), clock=time.time, starts=starts(path), beside=in_thread, user="ann")


async def until_seen(pilot: Pilot[None], part: str) -> str:
    """Return what the interface says of a line, once it has ended and says this."""
    app, said = pilot.app, ""
    assert isinstance(app, GpuqApp)
    try:
        async with asyncio.timeout(90):
            while True:
                await pilot.pause(0.02)
                if isinstance(app.screen, Confirm):
                    await pilot.press("y")
                said = (
                    text_of(app.screen.query_one(LogPane)) if isinstance(app.screen, OutputScreen) else app.view.notice
                )
                is_over = not isinstance(app.screen, OutputScreen) or app.screen.is_over
                if is_over and part in said and app.look.cut not in said[-2:]:
                    return said
    except TimeoutError:
        raise AssertionError(f"{part!r} is not said, but {said!r}\n{screen_text(app)}") from None


def is_offered(app: GpuqApp, verb: str) -> bool:
    """Whether the prompt offers a verb."""
    assert isinstance(app.screen, Prompt)
    return verb in text_of(app.screen.query_one("#completions", Pane)).split()


def test_every_verb_is_completed_run_and_seen(gpuqd: Gpuqd, tmp_path: Path) -> None:
    app = an_app(gpuqd)
    script, batch = tmp_path / "train.py", tmp_path / "batch"
    script.write_text(_EMPTY)
    batch.write_text("admin account add bio2\n")
    named = {"script": script, "batch": batch, "out": tmp_path / "points.csv"}

    async def use(pilot: Pilot[None]) -> None:
        for verb, (text, seen) in _LINES.items():
            *before, last = verb.split()
            await pilot.press("colon")
            field = app.screen.query_one(Input)
            field.value = " ".join([*before, last[:1]])
            await pilot.pause()
            assert is_offered(app, last), verb
            field.value = text.format(**named)
            await pilot.press("enter")
            assert "There is no" not in await until_seen(pilot, seen)
            for _ in range(3):
                if isinstance(app.screen, OutputScreen):
                    await pilot.press("escape")
            app.view.say("")

    piloted(app, use, (140, 50))


@pytest.mark.parametrize("verb", sorted(NOT_HERE))
def test_a_verb_that_needs_a_terminal_says_so(gpuqd: Gpuqd, verb: str) -> None:
    app = an_app(gpuqd)

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("colon", *verb, "enter")
        await pilot.pause()
        assert f"gpuq {verb}" in app.view.notice

    piloted(app, use, (140, 50))
