"""What `json.loads` reads is read alike, and what it refuses is refused; without loading it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuq.quick_json import dumps, loads

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


@given(VALUES, st.sampled_from(["", " ", "\n\t\r "]), st.booleans())
def test_every_value_is_read_as_it_was_written(value: object, space: str, is_ascii: bool) -> None:
    text = (space + json.dumps(value, ensure_ascii=is_ascii) + space).encode("utf-8", "surrogatepass")

    assert loads(text) == json.loads(text)


@given(VALUES | st.floats(), st.booleans())
def test_every_value_is_written_as_json_writes_it(value: object, is_ascii: bool) -> None:
    assert dumps(value, is_ascii=is_ascii) == json.dumps(value, ensure_ascii=is_ascii)


@pytest.mark.parametrize("value", [{1}, b"x", {"a": [object()]}])
def test_what_json_has_no_words_for_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        dumps(value)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"{",
        b"[1,",
        b'{"a"}',
        b"[1] x",
        b"{} {}",
        b"nope",
        b"[1,]",
        b'["\x01"]',
        b"\xff[",
        b"[\xff]",
        b"<html>",
    ],
)
def test_what_is_no_json_is_refused_as_json_refuses_it(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it says
        json.loads(text)
    with pytest.raises(ValueError):  # noqa: PT011
        loads(text)


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused_alike(data: bytes) -> None:
    def outcome(read: object) -> object:
        assert callable(read)
        try:
            return repr(read(data))
        except ValueError:
            return ValueError

    assert outcome(loads) == outcome(json.loads)


def test_what_is_said_without_a_number_is_read_too() -> None:
    assert repr(loads(b"[NaN, Infinity, -Infinity]")) == "[nan, inf, -inf]"


def test_neither_json_nor_re_is_loaded_for_it() -> None:
    code = (
        "import sys; from gpuq.quick_json import dumps, loads; loads(b'{}'); "
        "print(sorted({'json', 're', 'enum'} & {*sys.modules}))"
    )

    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, cwd=".")

    assert done.stdout.strip() == "[]"
