"""What is remembered, and the order and owner of the list."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot

from gpuq.models import Job
from gpuq_tui import settings
from gpuq_tui.app import GpuqApp
from gpuq_tui.lines.line import PALETTES, Look, Tone
from gpuq_tui.lines.order import ORDERS, OWNERS, ordered, owned
from gpuq_tui.lines.queue import EXTRAS, Columns
from gpuq_tui.screens.menu import Menu
from gpuq_tui.screens.queue import QueueScreen
from gpuq_tui.screens.why import WhyScreen
from gpuq_tui.settings import Settings
from gpuq_tui.terminal import look_of
from gpuq_tui.widgets.pane import STYLES, Pane, text_of
from tests.tui.scripted import NOW, ScriptedClient, Times, a_job, a_running_job, an_app, at_once, piloted, screen_text


def jobs() -> list[Job]:
    return [
        a_job(1, user="bob", account="nlp", gpus=8, name="c", priority=5),
        a_running_job(2, user="alice", account="vis", gpus=2, name="a"),
        a_job(3, user="carol", account="vis", gpus=4, name="b", priority=9),
    ]


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("job", [1, 2, 3]),
        ("gpus", [2, 3, 1]),
        ("name", [2, 3, 1]),
        ("user", [2, 1, 3]),
        ("account", [1, 2, 3]),
        ("priority", [2, 1, 3]),
        ("state", [1, 3, 2]),
        ("time", [2, 1, 3]),
    ],
)
def test_jobs_are_listed_in_any_order_both_ways(by: str, expected: list[int]) -> None:
    down = [job.id for job in ordered(jobs(), by, is_reversed=True, now=NOW)]

    assert [job.id for job in ordered(jobs(), by, is_reversed=False, now=NOW)] == expected
    assert sorted(down) == [1, 2, 3]
    assert by in ORDERS
    assert down[0] != expected[0] or by in ("account", "state", "time")


def test_whose_jobs_are_listed() -> None:
    assert [[job.id for job in owned(jobs(), whose, "alice")] for whose in OWNERS] == [[1, 2, 3], [2], [2, 3]]


def test_what_is_kept_comes_back_and_what_is_wrong_is_named(tmp_path: Path) -> None:
    at = settings.place({"XDG_CONFIG_HOME": str(tmp_path)})
    kept = Settings(order="gpus", is_reversed=True, owner="mine")

    assert settings.load(at) == (Settings(), "")
    assert settings.save(at, kept) == ""
    assert settings.load(at) == (kept, "")

    at.write_text('order = "nonsense"\nowner = "group"\nis_reversed = 1\nfrob = 2\n')
    found, problem = settings.load(at)
    assert found == Settings(owner="group")
    assert all(word in problem for word in ("order", "is_reversed", "frob"))
    at.write_bytes(b"\xff = ")
    assert settings.load(at)[0] == Settings()
    assert "is not used" in settings.load(at)[1]
    at.write_text("a = " + "[" * 100_000)
    assert "is not used" in settings.load(at)[1]
    at.write_text('[keys]\nactions = "f2"\npause = "f3\n')
    assert "is not lost" in settings.save(at, kept)
    assert "f2" in at.read_text()
    at.write_text('palette = "blind"\n[keys]\nactions = "f2"\npause = 3\n"go why" = ""\n')
    found, problem = settings.load(at)
    assert found == Settings(palette="blind", keys={"actions": "f2"})
    assert "keys.pause" in problem
    assert "keys.go why" in problem
    assert settings.save(at, found) == ""
    assert settings.load(at) == (found, "")
    assert "Cannot remember" in settings.save(Path("/proc/nothing/top.toml"), kept)


def test_order_and_owner_are_chosen_by_key_and_remembered(tmp_path: Path) -> None:
    at = tmp_path / "top.toml"
    app = an_app(ScriptedClient(queue=jobs()), settings_at=at)

    async def use(pilot: Pilot[None]) -> None:
        assert isinstance(app.screen, QueueScreen)
        await pilot.press("s", "6", "S")
        await pilot.pause()
        rows = [row[2:4].strip() for row in screen_text(app).split("\n")[4:7]]
        assert rows == ["1", "3", "2"]
        assert "by gpus down" in screen_text(app)
        await pilot.press("o")
        assert "owner mine" in screen_text(app)
        assert "carol" not in screen_text(app)

    piloted(app, use)

    assert settings.load(at)[0] == Settings(order="gpus", is_reversed=True, owner="mine")


def test_keys_can_be_others_and_help_says_which(tmp_path: Path) -> None:
    at = tmp_path / "top.toml"
    settings.save(at, Settings(keys={"actions": "f2", "go why": "ctrl+w", "move 1": "ctrl+j,down"}, palette="blind"))
    app = an_app(ScriptedClient(queue=jobs()), settings_at=at)

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("j", "x")
        assert isinstance(app.screen, QueueScreen)
        assert app.screen.selected == jobs()[0]
        await pilot.press("down", "f2")
        assert isinstance(app.screen, Menu)
        await pilot.press("escape", "question_mark")
        assert "f2" in text_of(app.screen.query_one(Pane))
        await pilot.press("escape", "ctrl+w")
        assert isinstance(app.screen, WhyScreen)

    piloted(app, use)


def test_no_palette_but_mono_tells_states_apart_by_red_and_green_alone() -> None:
    for name in PALETTES:
        styles = STYLES[name]
        assert len({styles[tone] for tone in (Tone.GOOD, Tone.BAD, Tone.WARN, Tone.DIM)}) == 4
    assert all(style.color is None for style in STYLES["mono"].values())
    assert {STYLES["blind"][tone].color for tone in Tone}.isdisjoint({STYLES["ansi"][Tone.BAD].color})


def test_the_first_time_and_no_other_a_line_says_where_to_begin(tmp_path: Path) -> None:
    at = tmp_path / "gpuq" / "top.toml"
    seen: list[bool] = []

    async def use(pilot: Pilot[None]) -> None:
        seen.append("? says what the keys do here" in screen_text(app))

    for _ in range(2):
        app = an_app(ScriptedClient(queue=jobs()), settings_at=at)
        piloted(app, use)

    assert seen == [True, False]


def test_columns_are_chosen_by_key_and_remembered(tmp_path: Path) -> None:
    at = tmp_path / "top.toml"
    client = ScriptedClient(queue=[a_job(1, account="vision", priority=812)])
    app = an_app(client, settings_at=at)

    async def use(pilot: Pilot[None]) -> None:
        assert "ACCOUNT" not in screen_text(app)
        await pilot.press("c")
        assert isinstance(app.screen, Menu)
        await pilot.press("1", "c", "4")
        await pilot.pause()
        assert "ACCOUNT    PRIORITY" in screen_text(app)
        assert "vision     812" in screen_text(app)
        await pilot.press("c", "1")
        await pilot.pause()
        assert "ACCOUNT" not in screen_text(app)

    piloted(app, use, (120, 40))
    assert settings.load(at)[0].columns == ["priority"]


@pytest.mark.parametrize("columns", ['["account", "odd"]', '["account", ["x"]]', '["account", 7]'])
def test_columns_that_are_none_are_said_and_left_out(tmp_path: Path, columns: str) -> None:
    at = tmp_path / "top.toml"
    at.write_text(f"columns = {columns}\n")

    kept, said = settings.load(at)

    assert kept.columns == ["account"]
    assert "columns cannot be used" in said


def test_columns_give_way_where_there_is_no_room() -> None:
    narrow, wide = Columns.of(80, 4, list(EXTRAS)), Columns.of(200, 4, list(EXTRAS))

    assert narrow.note >= 10
    assert 0 < len(narrow.extras) < len(EXTRAS)
    assert wide.extras == tuple(EXTRAS)


def test_colours_are_changed_by_a_line_and_remembered(tmp_path: Path) -> None:
    at = tmp_path / "top.toml"
    app = an_app(ScriptedClient(queue=[a_running_job(1)]), settings_at=at)

    async def use(pilot: Pilot[None]) -> None:
        await pilot.press("colon", *"palette dark", "enter")
        await pilot.pause()
        assert {pane.look.palette for pane in app.screen.query(Pane)} == {"dark"}
        assert "#7fc98a" in app.export_screenshot()
        await pilot.press("colon", *"palette odd", "enter")
        await pilot.pause()
        assert "palette NAME" in screen_text(app)

    piloted(app, use)
    assert settings.load(at)[0].palette == "dark"


def test_no_color_wins_over_what_is_remembered(tmp_path: Path) -> None:
    at = tmp_path / "top.toml"
    settings.save(at, Settings(palette="dark"))

    assert look_of({"NO_COLOR": "1", "LANG": "C.UTF-8"}, is_utf8_mode=False).palette == "mono"
    assert an_app(ScriptedClient(), look=Look(palette="mono"), settings_at=at).look.palette == "mono"


def test_it_begins_with_the_jobs_that_are_named() -> None:
    jobs = [a_running_job(1), a_running_job(2)]
    seen: list[str] = []

    def begun(view: str | None, first: list[Job]) -> None:
        app = GpuqApp(
            ScriptedClient(queue=jobs), look=Look(), clock=Times(), starts=ScriptedClient().start, beside=at_once,
            first_view=view, first_jobs=first,
        )  # fmt: skip

        async def use(pilot: Pilot[None]) -> None:
            await pilot.pause()
            seen.append(f"{type(app.view).__name__} {[job.id for job in app.view.chosen]}")

        piloted(app, use)

    begun("charts", jobs)
    begun("why", jobs[1:])
    begun(None, jobs[1:])
    begun(None, [])

    assert seen == ["ChartsScreen [1, 2]", "WhyScreen [2]", "JobScreen [2]", "QueueScreen [1]"]
