"""Looking for text in a log that is longer than what is shown."""

from __future__ import annotations

import asyncio
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.pilot import Pilot

from gpuq_tui.lines import seeking
from gpuq_tui.lines.seeking import Seen, Sought, seek
from tests.tui.scripted import ScriptedClient, a_running_job, an_app, piloted, screen_text


@given(st.integers(0, 90), st.integers(1, 40), st.sampled_from(["needle", "nädel"]))
def test_the_last_place_is_found_wherever_pieces_are_cut(before: int, after: int, text: str) -> None:
    log = ("ä" * before + f"NEEDLE.{text}" + "x" * after).encode()

    def read(until: int, size: int) -> tuple[str, int, int]:
        size = min(size, 24)
        begin = max(0, until - size)
        while begin > 0 and log[begin] & 0xC0 == 0x80:
            begin += 1
        return log[begin:until].decode(errors="replace"), begin, until

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seeking, "_OVERLAP", 12)
        seen, turns = Seen(sought=Sought(text=text, before=len(log)), down_to=len(log)), 0
        while seen.at is None and seen.down_to > 0:
            seen, turns = seek(Sought(text=text, before=seen.down_to), read), turns + 1
            assert turns < 20

    assert seen.at is not None
    assert log[seen.at :].startswith(text.encode())


def a_log() -> str:
    lines = [
        f"line {i} of a long log with quite some text in each of its lines, to make it long" for i in range(60_000)
    ]
    lines[5] = lines[400] = "here is the Needle"
    return "\n".join(lines) + "\n"


def test_a_search_goes_through_the_whole_log_and_shows_the_place() -> None:
    app = an_app(ScriptedClient(queue=[a_running_job(1)], log=a_log()))

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("enter", "L", "slash", *"needle", "enter")
        for _ in range(8):
            await pilot.pause()
        text = screen_text(app)
        assert "here is the Needle\nline 401 of" in text
        assert "a part: G the end" in text
        await pilot.press("N")
        for _ in range(8):
            await pilot.pause()
        assert "here is the Needle\nline 6 of" in screen_text(app)
        for _ in range(8):
            await pilot.press("pagedown")
            await pilot.pause()
        assert re.search(r"line [12]\d\d of", screen_text(app))
        await pilot.press("G")
        for _ in range(4):
            await pilot.pause()
        assert "line 59999 of" in screen_text(app)
        assert "[follow]" in screen_text(app)

    piloted(app, use, (100, 30))


def test_what_is_nowhere_is_said_and_a_search_can_be_broken_off() -> None:
    client = ScriptedClient(queue=[a_running_job(1)], log=a_log())
    app = an_app(client)

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("enter", "L", "slash", *"nowhere", "enter")
        for _ in range(8):
            await pilot.pause()
        assert "'nowhere' does not stand further up in this log." in screen_text(app)
        client.held_logs = asyncio.Event()
        await pilot.press("slash", *"needle", "enter", "escape")
        await pilot.pause()
        assert "The search was ended." in screen_text(app)
        client.held_logs.set()
        for _ in range(8):
            await pilot.pause()
        assert "line 59999 of" in screen_text(app)

    piloted(app, use, (100, 30))
