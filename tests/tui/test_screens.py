"""How the screens look: as text in several sizes and looks, and as the pictures in the documents.

Renew them on purpose, and look at them: `make screens`.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from gpuq_tui.lines.line import Look
from tests.tui.scripted import an_app, piloted, screen_text
from tests.tui.showcase import showcase

_TEXTS = Path(__file__).parent / "screens"
_PICTURES = Path(__file__).parents[2] / "docs" / "screens"
_IS_RENEWED = os.environ.get("GPUQ_WRITE_SCREENS") == "1"
_COLUMNS = 120  # of a picture
_SCREENS = {
    "queue": ("j",) * 4,
    "queue-help": ("question_mark",),
    "charts": ("v",),
    "charts-together": ("space", "j", "space", "v"),
    "distributions": ("v", "d"),
    "nodes": ("4",),
    "job": ("enter",),
    "timeline": ("enter", "T"),
    "log": ("enter", "L", "A"),
    "cancel": ("ctrl+x",),
}
"""Screens by name: the keys that lead there."""
_SHOWN = ("queue", "charts", "charts-together", "distributions", "nodes", "timeline")
"""Those that the documents have as pictures."""
_SIZES = {"80x24": (80, 24), "120x40": (120, 40), "200x60": (200, 60)}
_LOOKS = {"ascii": Look(is_ascii=True), "mono": Look(palette="mono")}


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:  # pyright: ignore[reportUnusedFunction] - pytest's
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def seen(keys: tuple[str, ...], size: tuple[int, int], look: Look | None = None) -> tuple[str, str]:
    """Return what is on the screen after these keys, as text and as a picture."""
    app = an_app(showcase(), look=look)
    found: list[str] = []

    async def use(pilot: Pilot[None]) -> None:
        for key in keys:
            await pilot.press(key)
            await pilot.pause()
            await pilot.pause()
        found.append(screen_text(app))
        found.append(alone(app.export_screenshot(title="gpuq top")))

    piloted(app, use, size)
    return found[0], found[1]


def alone(picture: str) -> str:
    """Return a picture that asks nobody for a font: a page of a cluster without a way out has none to ask."""
    without = re.sub(r"\s*@font-face \{[^}]*\}", "", picture)
    return without.replace("Fira Code", "DejaVu Sans Mono, Menlo, Consolas")


def is_as_before(path: Path, now: str) -> None:
    """Compare with what is kept, or keep it."""
    if _IS_RENEWED:
        path.parent.mkdir(exist_ok=True)
        path.write_text(now, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == now, f"{path.name} looks otherwise now: `make screens`, and look at it"


@pytest.mark.parametrize("size", _SIZES)
@pytest.mark.parametrize("name", ["queue", "charts", "timeline"])
def test_a_screen_looks_as_before_in_every_size(name: str, size: str) -> None:
    text, _ = seen(_SCREENS[name], _SIZES[size])

    assert all(len(row) <= _SIZES[size][0] for row in text.split("\n"))
    is_as_before(_TEXTS / f"{name}-{size}.txt", text + "\n")


@pytest.mark.parametrize("look", _LOOKS)
@pytest.mark.parametrize("name", ["queue", "charts-together", "distributions"])
def test_a_screen_looks_as_before_without_colours_and_in_ascii(name: str, look: str) -> None:
    text, picture = seen(_SCREENS[name], (80, 24), _LOOKS[look])

    assert look != "ascii" or text.isascii()
    assert look != "mono" or not any(colour in picture for colour in ("#5fd700", "#cc5555", "#4aa944"))
    is_as_before(_TEXTS / f"{name}-{look}.txt", text + "\n")


@pytest.mark.parametrize("name", sorted(set(_SCREENS) - {"queue", "charts", "timeline"}))
def test_every_screen_can_be_shown_in_the_smallest_size(name: str) -> None:
    text, _ = seen(_SCREENS[name], (80, 24))

    is_as_before(_TEXTS / f"{name}-80x24.txt", text + "\n")


@pytest.mark.parametrize("name", _SHOWN)
def test_the_pictures_in_the_documents_are_of_now(name: str) -> None:
    rows = 40 if name in ("charts", "charts-together", "distributions") else 30
    _, picture = seen(_SCREENS[name], (_COLUMNS, rows))

    is_as_before(_PICTURES / f"{name}.svg", picture)
