"""What is typed in a burst, wherever the line cuts it."""

from __future__ import annotations

import asyncio
import random

import pytest
from textual import events
from textual.pilot import Pilot
from textual.widgets import Input

from gpuq_tui import keys as keys_module
from gpuq_tui.lines.tabs import NAMES
from gpuq_tui.screens.job import JobScreen
from gpuq_tui.screens.prompt import Prompt
from gpuq_tui.screens.view import View
from tests.tui.scripted import ScriptedClient, a_curve, a_running_job, a_series, an_app, piloted

_NAMES = {":": "colon", "/": "slash", " ": "space", "\r": "enter", "\t": "tab"}
_LETTERS = "xqcyhdjkzpr1234567 -?"
"""Each of them is a key of some view."""


def a_client() -> ScriptedClient:
    curve = a_curve(a_series("loss"))
    return ScriptedClient(queue=[a_running_job(1), a_running_job(2)], curves={"loss": curve}, log="a\nb\n")


async def typed(pilot: Pilot[None], text: str, chance: random.Random) -> None:
    """Type `text` as a line hands it over: cut at any place, with the app some steps on by the next part."""
    for letter in text:
        if chance.random() < 0.4:
            for _ in range(chance.randrange(12)):
                await asyncio.sleep(0)
        name = _NAMES.get(letter, letter)
        pilot.app.post_message(events.Key(name, letter))


async def settled(pilot: Pilot[None], text: str) -> str:
    """Return what the prompt has, once it has as much as was typed or the app is at rest."""
    for _ in range(50):
        await pilot.pause()
        if isinstance(pilot.app.screen, Prompt):
            value = pilot.app.screen.query_one(Input).value
            if len(value) >= len(text):
                return value
    return f"no prompt but {pilot.app.screen}"


@pytest.mark.parametrize(
    ("opens", "lost_after_s"),
    [*((opens, 1.0) for opens in ("1", "2", "3", "4", "5", "6", "7", "1\r", "1\rL")), ("6", 0.0005), ("1\rT", 0.0005)],
)
def test_letters_after_a_colon_never_act_as_keys(
    opens: str, lost_after_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys_module, "_LOST_AFTER_S", lost_after_s)
    client, chance = a_client(), random.Random(opens)
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        for _ in range(4):
            text = "".join(chance.choices(_LETTERS, k=chance.randrange(1, 12)))
            await typed(pilot, opens + ":" + text, chance)
            assert await settled(pilot, text) == text
            assert (app.view.name_of_view, isinstance(app.view, JobScreen)) == _place(opens)
            assert client.ran == []
            await pilot.press("escape", "1")

    piloted(app, use, (100, 30))


def _place(opens: str) -> tuple[str, bool]:
    return NAMES[int(opens[0]) - 1], opens[1:2] == "\r"


def test_a_search_typed_in_a_burst_reaches_its_prompt() -> None:
    client, chance = a_client(), random.Random(3)
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("enter", "L")
        for _ in range(8):
            text = "".join(chance.choices(_LETTERS, k=8))
            await typed(pilot, "/" + text, chance)
            assert await settled(pilot, text) == text
            await pilot.press("escape")
        assert isinstance(app.view, JobScreen)

    piloted(app, use)


def test_what_is_pasted_after_a_colon_comes_behind_it() -> None:
    app = an_app(a_client())

    async def use(pilot: Pilot[None]) -> None:
        app.post_message(events.Key("6", "6"))
        app.post_message(events.Key("colon", ":"))
        app.post_message(events.Key("a", "a"))
        app.post_message(events.Paste("qxc"))
        app.post_message(events.Key("b", "b"))
        assert await settled(pilot, "aqxcb") == "aqxcb"

    piloted(app, use)


def test_a_key_whose_widget_goes_holds_no_other_up_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_module, "_LOST_AFTER_S", 0.001)
    app = an_app(a_client())

    async def use(pilot: Pilot[None]) -> None:
        lost = asyncio.Event()

        def lose(passed: object) -> bool:
            lost.set()
            return True

        view = app.view
        target = app.focused or view
        with monkeypatch.context() as patch:
            patch.setattr(target, "post_message", lose)
            app.post_message(events.Key("j", "j"))
            app.post_message(events.Key("colon", ":"))
            async with asyncio.timeout(60):
                await lost.wait()
        assert await settled(pilot, "") == ""
        assert isinstance(app.view, View)

    piloted(app, use)
