"""The reader of documents itself: it sees what is wrong with one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.walking import Reader, differs, steps, walk

PAGE = """
```sh
greeting="good $DAY"
```
It greets:
```console
$ echo "$greeting, it is 12:34:56"; echo more
good morning, it is 09:00:00
...
$ echo /etc/thing
/etc/thing
```
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    file = tmp_path / "page.md"
    file.write_text(PAGE)
    return file


def test_a_document_is_typed_in_order_into_one_shell(page: Path, tmp_path: Path) -> None:
    assert [step.where for step in steps(page, {})] == ["page.md:3", "page.md:7", "page.md:10"]
    with Reader(tmp_path, {"DAY": "morning"}) as reader:
        walk(page, reader, {"/etc/thing": str(tmp_path)})


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("good morning, it", "good evening, it", "page.md:7: .* does not say `good evening"),
        ('greeting="good $DAY"', "false\ntrue", r"page.md:3: (?s:.*) ended with 1:\n\(ended with 1\) false"),
        ("echo more", "false", "page.md:7: .* ended with 1"),
    ],
)
def test_what_does_not_hold_is_said_with_its_line(
    page: Path, tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    page.write_text(PAGE.replace(old, new))

    with Reader(tmp_path, {"DAY": "morning"}) as reader, pytest.raises(AssertionError, match=complaint):
        walk(page, reader, {})


def test_a_block_without_an_end_is_no_block(page: Path) -> None:
    page.write_text(PAGE.rstrip().removesuffix("```"))

    with pytest.raises(ValueError, match=r"page\.md:7: this block has no end"):
        list(steps(page, {}))


def test_what_hangs_is_ended(tmp_path: Path) -> None:
    with Reader(tmp_path, {}) as reader, pytest.raises(AssertionError, match="no end of `sleep 60`"):
        reader.type("sleep 60", timeout_s=0.2)


@pytest.mark.parametrize(
    ("said", "missing"),
    [
        (("a 1 c", "d"), None),
        (("d", "a 1 c"), "a 1 c"),
        (("a 2 c",), "a 2 c"),
        (("a ...", "...", "took 9.99 s"), None),
        (("b",), "b"),
    ],
)
def test_named_lines_must_be_there_in_their_order(said: tuple[str, ...], missing: str | None) -> None:
    assert differs(said, "a  1   c\nb b\nd\ntook 0.31 s\n") == missing
