"""What a training measured, through a real gpuqd, to charts, tables, pictures, reports and files for other programs."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from gpuq.cli import main
from tests.eventfile.event_bytes import (
    a_file,
    a_histogram,
    a_message,
    a_scalar,
    a_simple_value,
    a_tensor_value,
    an_event,
)
from tests.support.asking import got
from tests.support.daemon import Gpuqd, plain_gpuqd

Ask = Callable[..., tuple[int, str]]
_WRITES = """
import os
def main_fun(args, ctx):
    with open(os.path.join(os.environ["GPUQ_LOG_DIR"], {name!r}), "wb") as file:
        file.write({data!r})
"""
_KEPT = Path(__file__).parent / "data" / "events"
_NOTES = next((_KEPT / "notes" / "2").iterdir())
_EVIL = "</title><script>alert(1)</script>\x1b[31m"


def a_training(rate: float) -> bytes:
    """Return 100 steps of a loss that falls, then steps from 50 again with a NaN at 60; an accuracy, and weights."""
    steps = [*range(100), *range(50, 120)]
    events: list[bytes] = []
    for number, step in enumerate(steps):
        value = math.nan if number > 100 and step == 60 else math.exp(-rate * step)
        events.append(a_scalar("loss", step, value, 1.7e9 + number))
        events.append(an_event(1.7e9 + number, step, a_simple_value("val/accuracy", 1 - math.exp(-rate * step))))
    events += [a_histogram("hidden/kernel", step, -1, 0, 10 + step, 0, 1, 30) for step in range(0, 40, 10)]
    events.append(an_event(1.7e9, 1, a_simple_value(_EVIL, 1.0)))
    return a_file(*events)


@pytest.fixture(scope="module")
def gpuqd() -> Iterator[Gpuqd]:
    """A gpuqd with two jobs that trained, one that wrote nothing, and one with texts, pictures and hyperparameters."""
    with plain_gpuqd() as daemon:
        for rate in (0.05, 0.02):
            script = _WRITES.format(name="events.out.tfevents.1", data=a_training(rate))
            assert daemon.ended(daemon.enqueue(script, args=["<b>&"]))["state"] == "COMPLETED"
        daemon.ended(daemon.enqueue("def main_fun(args, ctx): pass\n"))
        evil = an_event(1.7e9, 7, a_tensor_value("evil", 7, a_message(8, _EVIL.encode()), plugin="text"))
        script = _WRITES.format(name="events.out.tfevents.1", data=_NOTES.read_bytes() + a_file(evil))
        daemon.ended(daemon.enqueue(script))
        yield daemon


@pytest.fixture
def ask(gpuqd: Gpuqd, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Ask:
    """Run `gpuq`; return its exit code and what it said, on either stream."""
    monkeypatch.setenv("GPUQ_SOCKET", str(gpuqd.folder / "gpuqd.sock"))
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")

    def run(*words: str) -> tuple[int, str]:
        code = main(words)
        return code, "".join(capfd.readouterr())

    return run


def test_a_curve_goes_back_where_the_training_did_and_marks_nan(ask: Ask) -> None:
    code, out = ask("plot", "1", "--ascii", "--width", "70", "--height", "12")

    assert code == 0
    assert out.isascii()
    assert "120 points, 1 of them NaN or infinite (! below)" in out
    assert "restarted at step 50 (:), 50 points before that written again" in out
    chart = out.splitlines()[:12]
    assert sum(":" in line for line in chart) >= 6
    assert any("!" in line for line in chart)


def test_jobs_and_tags_by_pattern_are_drawn_over_each_other(ask: Ask) -> None:
    code, out = ask("plot", "1", "2", "val/*", "loss", "--log-y", "--x", "relative", "--smooth", "0.6", "--width", "80")

    assert code == 0
    assert [line.split(":")[0].split(" ", 1)[1] for line in out.splitlines()[-4:]] == [
        "1 val/accuracy",
        "1 loss",
        "2 val/accuracy",
        "2 loss",
    ]
    assert "smoothed 0.6" in out


def test_an_attempt_or_a_tag_that_is_not_there_is_one_sentence(ask: Ask) -> None:
    assert ask("plot", "1", "loss", "--attempt", "7")[0] == 3
    assert ask("plot", "1", "x*")[1] == (
        "gpuq: Job 1 has no tag 'x*'; it has loss, " + _EVIL.replace("\x1b", "\\x1b") + ", val/accuracy.\n"
    )
    assert "wrote nothing" not in ask("plot", "3")[1]
    assert "gpuq histogram 1 TAG" in ask("plot", "1", "hidden/kernel")[1]


def test_a_smoothed_curve_is_tensorboards_over_all_points(gpuqd: Gpuqd) -> None:
    curve = gpuqd.client.curve(1, "val/accuracy", columns=10, smooth=0.9)

    average, expected = 0.0, list[float]()
    for step in range(120):
        average = average * 0.9 + 0.1 * (1 - math.exp(-0.05 * step))
        expected.append(average / (1 - 0.9 ** (step + 1)))
    assert curve["smoothed"] == pytest.approx([expected[int(step)] for step in curve["steps"]], rel=1e-5)
    assert curve["began_at"] == 1.7e9
    assert curve["replaced"] == 50


def test_pictures_are_whole_files_that_run_nothing(ask: Ask, gpuqd: Gpuqd, tmp_path: Path) -> None:
    for words in (("plot", "1", "2", "loss"), ("plot", "1", "*"), ("histogram", "1", "hidden/kernel")):
        code, said = ask(*words, "--svg", str(tmp_path / "a.svg"), "--png", str(tmp_path / "a.png"))
        assert (code, said) == (0, f"gpuq: Wrote {tmp_path}/a.svg.\ngpuq: Wrote {tmp_path}/a.png.\n")
        tree = ElementTree.parse(tmp_path / "a.svg")
        assert {one.tag.rpartition("}")[2] for one in tree.iter()} <= {
            "svg",
            "title",
            "rect",
            "polyline",
            "polygon",
            "text",
        }
        assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert not list(tmp_path.glob("*.part"))
    assert ask("plot", "1", "--png", str(tmp_path / "no" / "x.png"))[0] == 1
    assert got(gpuqd, "/v1/chart?job=1")[2] == "image/svg+xml"


def test_a_distribution_over_steps_is_a_map_or_ridges(ask: Ask, gpuqd: Gpuqd) -> None:
    code, out = ask("histogram", "1", "hidden/kernel", "--ascii", "--width", "50", "--height", "4")
    _, ridges = ask("histogram", "1", "hidden/kernel", "--ridges", "--width", "50", "--ascii")
    _, told = ask("histogram", "1", "hidden/kernel", "--json")

    lines = out.splitlines()
    assert code == 0
    assert len(lines) == 6
    assert "4 steps, from -1 to 1" in lines[0]
    assert max(map(len, lines)) <= 50
    # the upper half is fuller than the lower one at the first step, and emptier at the last
    first, last = [line[6:][0] for line in lines[1:5]], [line.rstrip()[-1] for line in lines[1:5]]
    shades = " .:-=+*#%@"
    assert shades.index(first[0]) > shades.index(first[3])
    assert shades.index(last[0]) < shades.index(last[3])
    assert [line.split()[0] for line in ridges.splitlines()[1:5]] == ["30", "20", "10", "0"]
    assert [(p["step"], p["edges"], p["counts"]) for p in json.loads(told)["points"]][:2] == [
        (0, [-1, 0, 1], [10, 30]),
        (10, [-1, 0, 1], [20, 30]),
    ]
    heat = gpuqd.client.heat_map(1, "hidden/kernel", bins=4)
    assert heat["counts"][0] == [5, 5, 15, 15]
    assert ask("histogram", "1")[1] == "hidden/kernel\n"
    assert ask("histogram", "3")[0] == 3


def test_jobs_are_compared_by_step_and_by_time(ask: Ask) -> None:
    code, out = ask("compare", "1", "2", "loss", "--ascii")
    _, told = ask("compare", "1", "2", "--json")

    assert code == 0
    assert "At step 119 job 1 is ahead (0.002606, next 0.09255)" in out
    loss = next(one for one in map(json.loads, told.splitlines()) if one["tag"] == "loss")
    accuracy = next(one for one in map(json.loads, told.splitlines()) if one["tag"] == "val/accuracy")
    assert (loss["is_less_better"], accuracy["is_less_better"]) == (True, False)
    assert [job["best_step"] for job in accuracy["jobs"]] == [119, 119]
    assert loss["jobs"][0]["last"] == pytest.approx(math.exp(-0.05 * 119), rel=1e-5)
    assert ask("compare", "1")[0] == 2
    assert "nobody is ahead" in ask("compare", "1", "1", "loss", "--no-chart")[1]
    assert ask("compare", "1", "3")[0] == 3


def test_a_report_is_told_in_text_and_as_a_page_by_itself(ask: Ask, tmp_path: Path) -> None:
    code, text = ask("report", "1", "--ascii", "--width", "90")
    page_code, said = ask("report", "1", "--html", str(tmp_path / "r.html"))
    page = (tmp_path / "r.html").read_text()

    assert (code, page_code, said) == (0, 0, f"gpuq: Wrote {tmp_path}/r.html.\n")
    for word in ("== Job ==", "virtual GPU", "GPU-h", "loss: last 0.002606", "hidden/kernel", "rank 0's log"):
        assert word in text
    assert "\x1b" not in text + page
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert page.count("<svg") >= 4
    for word in ("http:", "https:", "src=", "href="):
        assert word not in page.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert ask("report", "3", "--ascii")[0] == 0


def test_all_points_leave_as_parquet_arrow_csv_and_json(ask: Ask, gpuqd: Gpuqd, tmp_path: Path) -> None:
    parquet: Any = import_module("pyarrow.parquet")
    pa: Any = import_module("pyarrow")
    for form in ("parquet", "arrow", "csv", "json"):
        assert ask("export", "1", "loss", "--out", str(tmp_path / form), "--format", form)[0] == 0

    table = parquet.read_table(tmp_path / "parquet").to_pydict()
    stream = pa.ipc.open_stream((tmp_path / "arrow").read_bytes()).read_all().to_pydict()
    rows = list(csv.DictReader(io.StringIO((tmp_path / "csv").read_text())))
    (said,) = json.loads((tmp_path / "json").read_bytes())["points"]

    assert table["step"] == [*range(100), *range(50, 120)]
    assert str(stream) == str(table)  # as text, since NaN is not equal to itself
    assert [int(row["step"]) for row in rows] == said["steps"] == table["step"]
    assert said["values"].index(None) == 110
    assert set(table["tag"]) == {"loss"}
    ask("export", "1", "--histograms", "--out", str(tmp_path / "h"))
    assert parquet.read_table(tmp_path / "h").to_pydict()["counts"][1] == [20, 30]
    assert len(ask("plot", "1", "2", "loss", "--csv")[1].splitlines()) == 1 + 2 * 170
    assert ask("export", "3")[0] == 3
    assert got(gpuqd, "/v1/jobs/1/points?tag=nothing")[0] == 404


def test_hyperparameters_are_shown_and_held_against_each_other(ask: Ask, gpuqd: Gpuqd) -> None:
    _, shown = ask("show", "4")
    _, compared = ask("compare", "1", "4", "loss", "--no-chart")
    _, as_json = ask("compare", "1", "4", "loss", "--json")

    assert "is_big = yes, layers = 3, optimizer = adam, rate = 0.125" in shown
    row = next(line.split() for line in compared.splitlines() if line.startswith("rate"))
    assert row == ["rate", "-", "0.125"]
    assert {"name": "layers", "value": 3.0} in json.loads(as_json.splitlines()[-1])["hparams"]["4"]
    assert {"name": "optimizer", "value": "adam"} in gpuqd.client.job(4)["hparams"]
    assert gpuqd.client.job(1)["hparams"] == []


def test_texts_are_shown_with_nothing_that_a_terminal_obeys(ask: Ask) -> None:
    code, out = ask("show", "4", "--text")
    _, table = ask("show", "4", "--text", "--tag", "table")
    _, none = ask("show", "1", "--text")

    assert code == 0
    assert "note @ 2:\n  **step** 2" in out
    assert "evil @ 7:" in out
    assert "\x1b" not in out
    assert table == "table @ 1:\n  a | b | c\n  1 | 2 | 3\n"
    assert none == "Job 1 has written no text: `tf.summary.text` does.\n"


def test_pictures_leave_as_their_writer_made_them(ask: Ask, gpuqd: Gpuqd, tmp_path: Path) -> None:
    expected = json.loads((_KEPT / "expected.json").read_text())[str(_NOTES.relative_to(_KEPT))]["notes"]
    sums = [content[2] for tag, _, _, content in expected if tag == "digits"]
    folder = tmp_path / "pictures"

    _, listed = ask("show", "4", "--pictures")
    said = ask("export", "4", "digits", "--pictures", "-o", str(folder))

    assert said == (0, f"Wrote 6 pictures into {folder}.\n")
    files = sorted(folder.iterdir(), key=lambda file: int(file.stem.rpartition("-")[2]))
    assert [hashlib.sha256(file.read_bytes()).hexdigest() for file in files] == sums
    assert (len(listed.splitlines()), "7x5" in listed) == (7, True)
    status, _, kind = got(gpuqd, f"/v1/jobs/4/pictures/{gpuqd.client.pictures(4)[0]['id']}")
    assert (status, kind) == (200, "image/png")


def test_a_picture_whose_file_is_another_one_now_is_not_made_up(ask: Ask, gpuqd: Gpuqd, tmp_path: Path) -> None:
    (number,) = [one["id"] for one in gpuqd.client.pictures(4)][-1:]
    (file,) = (gpuqd.folder / "jobs" / "4").rglob("events.out.tfevents.*")
    data = file.read_bytes()
    file.rename(tmp_path / "aside")
    file.write_bytes(bytes(len(data)))

    status, said, _ = got(gpuqd, f"/v1/jobs/4/pictures/{number}")
    (tmp_path / "aside").rename(file)

    assert (status, "is no longer there" in said) == (404, True)
    assert got(gpuqd, "/v1/jobs/1/pictures/1")[0] == 404
    assert ask("export", "1", "--pictures")[0] != 0
