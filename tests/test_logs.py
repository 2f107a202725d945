"""The daemon's log: a line stays a line, whatever is in it, and a flood stays small."""

from __future__ import annotations

import ast
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import pytest

import gpuq_daemon
from gpuq_daemon.logs import JsonFormatter, KeyValueFormatter, RateLimit, event_id, formatter, is_journal

HOSTILE = "\x1b]0;owned\x07\n2026-01-01 INFO all is well\u202e\x9b"


def a_record(text: str = "not launched", *, level: int = logging.WARNING, at: float = 100.0, **extra: Any) -> Any:
    record = logging.makeLogRecord({"name": "gpuq", "msg": text, "levelno": level, "levelname": "WARNING", **extra})
    record.created = at
    return record


@pytest.mark.parametrize("formatted_by", [KeyValueFormatter(), JsonFormatter()])
def test_nothing_from_outside_makes_a_line_or_moves_a_cursor(formatted_by: logging.Formatter) -> None:
    line = formatted_by.format(a_record(f"said {HOSTILE}", job_id=12, error=HOSTILE))

    assert line.isprintable()
    assert line.isascii()
    assert "12" in line


def test_text_is_for_people() -> None:
    line = KeyValueFormatter().format(a_record(job_id=12, error="no disk"))

    assert line.endswith('WARNING not launched job_id=12 error="no disk"')


def test_json_has_the_event_its_data_and_the_traceback() -> None:
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        record = a_record("a course broke off; it is taken up again", job_id=12, exc_info=sys.exc_info())

    line = JsonFormatter().format(record)

    said = json.loads(line)
    assert "\n" not in line
    assert (said["event"], said["job_id"], said["t"]) == ("a-course-broke-off-it-is-taken-up-again", 12, 100.0)
    assert "ValueError" in said["traceback"]


@pytest.mark.parametrize("formatted_by", [KeyValueFormatter(), JsonFormatter()])
def test_secrets_are_not_written(formatted_by: logging.Formatter) -> None:
    line = formatted_by.format(a_record(api_token="hunter2", PASSWORD="hunter2"))

    assert "hunter2" not in line
    assert line.count("(secret)") == 2


def test_every_line_of_a_traceback_has_its_priority_in_the_journal() -> None:
    try:
        raise ValueError("x")
    except ValueError:
        record = a_record(level=logging.ERROR, exc_info=sys.exc_info())

    lines = formatter("text", is_journal=True).format(record).split("\n")

    assert len(lines) > 2
    assert all(line.startswith("<3>") for line in lines)
    assert formatter("auto", is_journal=True).format(a_record()).startswith('<4>{"t": 100.0, "level": "warning"')
    assert formatter("auto", is_journal=False).format(a_record()).endswith("WARNING not launched")


def test_the_journal_is_known_by_its_file(tmp_path: Path) -> None:
    with (tmp_path / "x").open("w") as file:
        there = os.fstat(file.fileno())
        assert is_journal({"JOURNAL_STREAM": f"{there.st_dev}:{there.st_ino}"}, file.fileno())
        assert not is_journal({"JOURNAL_STREAM": "1:2"}, file.fileno())
        assert not is_journal({}, file.fileno())


def test_a_flood_is_cut_off_and_counted() -> None:
    limit = RateLimit()

    shown = [limit.filter(a_record(at=100.0 + i / 100, job_id=i)) for i in range(50)]
    later = a_record(at=161.0)

    assert shown == [True] * 20 + [False] * 30
    assert limit.filter(a_record("another text", at=100.5))
    assert limit.filter(later)
    assert later.suppressed == 30


def test_a_clock_that_is_set_back_silences_nothing() -> None:
    limit = RateLimit()

    for _ in range(50):
        limit.filter(a_record(at=1e9))

    assert limit.filter(a_record(at=100.0))


def test_state_changes_of_jobs_are_never_left_out() -> None:
    limit = RateLimit()

    assert all(limit.filter(a_record("launched", level=logging.INFO)) for _ in range(1000))


def test_data_cannot_pass_for_the_event() -> None:
    assert json.loads(JsonFormatter().format(a_record(event="another", t=1)))["event"] == "not-launched"


def test_no_datum_is_called_as_what_every_line_has() -> None:
    keys = {
        key.value
        for file in Path(gpuq_daemon.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.keyword) and node.arg == "extra" and isinstance(node.value, ast.Dict)
        for key in node.value.keys
        if isinstance(key, ast.Constant)
    }

    assert "job_id" in keys
    assert not keys & {"t", "level", "event", "message", "logger", "traceback"}


def _logged() -> list[tuple[str, ast.expr]]:
    """Return where gpuqd logs, and the text of each event."""
    found: list[tuple[str, ast.expr]] = []
    for file in Path(gpuq_daemon.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="logger"), attr=verb), args=[text, *_]):
                    found.append((f"{file.name}:{node.lineno} logger.{verb}", text))
                case _:
                    pass
    return found


def test_events_have_fixed_texts_so_that_their_ids_are_stable() -> None:
    texts = [
        (where, part)
        for where, text in _logged()
        for part in ([text.body, text.orelse] if isinstance(text, ast.IfExp) else [text])
    ]

    assert len(texts) > 15
    assert [
        where for where, text in texts if not (isinstance(text, ast.Constant) and isinstance(text.value, str))
    ] == []
    assert event_id(a_record("the event loop stood still")) == "the-event-loop-stood-still"
