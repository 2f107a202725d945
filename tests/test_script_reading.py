"""Long scripts are read beside gpuqd, and judged as short ones are."""

from __future__ import annotations

import asyncio

import pytest

from gpuq_daemon.policy.script import fault
from gpuq_daemon.script_reading import ScriptReader

_MAIN = "def main_fun(args, ctx): pass\n"


@pytest.mark.parametrize(
    "text",
    [
        _MAIN + "a\n" * 20_000,
        "a\n" * 20_000,
        "ä = (\n" + _MAIN,
        "a\0b",
        "\ud800 = 1",
        "x = " + "(" * 150 + ")" * 150,
        "x = " + "-" * 100_000 + "1",
        "x = " + "9" * 10_000,
        "",
    ],
)
def test_what_reads_a_script_beside_says_what_reading_it_here_does(text: str) -> None:
    assert asyncio.run(ScriptReader().fault(text)) == fault(text)


def test_a_script_without_a_line_that_is_wrong_names_none() -> None:
    assert "None" not in str(fault("a\0b"))
