"""No foreign text acts on a terminal, and widths are kept."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gpuq.text import clean, clean_log, display_width, fit, pad


@given(st.text())
def test_clean_text_is_printable_and_clean_again(text: str) -> None:
    assert clean(text).isprintable()
    assert clean(clean(text)) == clean(text)


@given(st.text())
def test_a_log_keeps_line_ends_and_tabs_only(text: str) -> None:
    assert clean_log(text).replace("\n", "").replace("\t", "").isprintable()


@given(st.text(), st.integers(1, 40))
def test_fitted_text_fits_and_padded_text_fills(text: str, width: int) -> None:
    fitted = fit(clean(text), width)

    assert display_width(fitted) <= width
    assert display_width(pad(fitted, width)) == width


@given(st.text(), st.text("\n\tx\x1b", max_size=8))
def test_text_is_cleaned_letter_by_letter(text: str, more: str) -> None:
    many = "".join(map(chr, range(0x80, 0xC0)))  # of many kinds, and of few

    for whole in (text, text + more, text + many + more):
        assert clean(whole, keep="\n\t") == "".join(clean(letter, keep="\n\t") for letter in whole)


def test_what_was_there_is_seen() -> None:
    assert clean("a\x1b[31m\u202e\u200b\x9b\n") == "a\\x1b[31m\\u202e\\u200b\\x9b\\n"
    assert clean("名\xa0前 é") == "名 前 é"
    assert fit("abcdef", 4) == "abc…"
