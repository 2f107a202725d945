"""What is read from a script, and what cannot become a job."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuq.errors import UsageError
from gpuq.main_fun import check_main_fun
from gpuq.script import late_directives, read_directives, read_script


@pytest.mark.parametrize(
    "text",
    [
        "def main_fun(args, ctx): pass",
        "def main_fun(args, ctx, more=1): pass",
        "def main_fun(*args): pass",
        "from model import train as main_fun",
        "from model import *",
        "import main_fun",
        "main_fun = functools.partial(train, 3)",
        "main_fun: object = lambda args, ctx: None",
        "@wrapped\ndef main_fun(): pass",
        "try:\n    from a import main_fun\nexcept ImportError:\n    def main_fun(a, c): pass",
        "def main_fun(): pass\ndef main_fun(args, ctx): pass",
        "\ufeffdef main_fun(args, ctx): '\\d'",
    ],
)
def test_a_main_fun_that_may_be_called(text: str) -> None:
    check_main_fun(text, "t.py")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "has no main_fun at top level"),
        ("class A:\n    def main_fun(self, args): pass", "has no main_fun"),
        ("if __name__ == '__main__':\n    def main_fun(args, ctx): pass", "has no main_fun"),
        ("main_fun: object", "has no main_fun"),
        ("\ndef main_fun(args): pass", "line 2: main_fun cannot be called with two arguments"),
        ("def main_fun(a, b, c): pass", "two arguments"),
        ("def main_fun(a, b, *, c): pass", "two arguments"),
        ("main_fun = lambda: 0", "two arguments"),
        ("async def main_fun(args, ctx): pass", "is async"),
        ("x = 1\ndef main_fun(args, ctx:\n", "line 2: syntax error"),
        ("x\0y", "t.py"),
        ("(" * 100_000, "t.py"),
    ],
)
def test_a_script_that_cannot_become_a_job(text: str, expected: str) -> None:
    with pytest.raises(UsageError, match=r"^t\.py") as caught:
        check_main_fun(text, "t.py")

    assert expected in str(caught.value)
    assert str(caught.value).isprintable()


@given(st.text())
def test_any_text_is_a_script_or_refused(text: str) -> None:
    try:
        read_directives(text, "t.py")
        check_main_fun(text, "t.py")
    except UsageError as error:
        assert str(error).isprintable()  # noqa: PT017 - refusing is one of two right answers


def test_directives_stand_before_the_first_code() -> None:
    text = "#!/usr/bin/python\n#GPUQ -w2 --time=2h # two\n\n# x\n#GPUQ -J 'a b'\nimport os\n#GPUQ -w 3\n"

    found = [(d.field, d.value, d.line) for d in read_directives(text, "t.py")]

    assert found == [("workers", "2", 2), ("time", "2h", 2), ("name", "a b", 5)]
    assert late_directives(text) == [7]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("#GPUQ --wrokers 2", "line 1: there is no #GPUQ option --wrokers; did you mean --workers?"),
        ("#GPUQ --workers", "line 1: --workers needs a value"),
        ("#GPUQ -J 'a", "line 1: a quotation mark is not closed"),
        ("#GPUQ 12", "known are --name"),
    ],
)
def test_a_mistake_in_a_directive_names_its_line(line: str, expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_directives(line, "t.py")

    assert expected in str(caught.value)


def test_files_that_are_no_scripts(tmp_path: Path) -> None:
    (tmp_path / "big.py").write_bytes(b"#" * (10 * 1024 * 1024))
    (tmp_path / "latin.py").write_bytes(b"x\n\xe9")
    os.mkfifo(tmp_path / "fifo")
    expected = {
        "none.py": "There is no script",
        ".": "is a directory",
        "fifo": "is not a regular file",
        "big.py": "is 10.0 MiB; a script may have at most 1 MiB: put data on the file system.",
        "latin.py": "line 2 is not UTF-8",
        "x" * 300: "Cannot read",
        "a\0b": "Cannot read",
    }

    for name, message in expected.items():
        with pytest.raises(UsageError) as caught:
            read_script(f"{tmp_path}/{name}")
        assert message in str(caught.value)


def test_a_script_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "t.py").write_bytes(b"a\r\n\xc3\xa9")

    assert read_script(str(tmp_path / "t.py")) == "a\r\né"


def test_a_formatter_may_set_the_hash_apart_but_prose_is_no_directive() -> None:
    text = "# GPUQ --workers 2\n#GPUQ -g 1\n# GPUQ is what queues this\n#GPUQUEUE --workers 9\nx = 1\n"

    assert [(d.field, d.value, d.line) for d in read_directives(text, "x.py")] == [
        ("workers", "2", 1),
        ("gpus_per_worker", "1", 2),
    ]
    assert late_directives("x = 1\n# GPUQ --workers 2\n# GPUQ is nice\n") == [2]
