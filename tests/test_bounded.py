"""A pattern that would take for ever is given up, and harms nobody."""

from __future__ import annotations

import re
import signal

import pytest

from gpuq.bounded import BoundedPattern
from gpuq.errors import UsageError
from gpuq.filters import matcher

EVIL = "a" * 60 + "!"


@pytest.mark.parametrize("text", ["(a+)+$", "(a|aa)+$", "(a*)*b", "a*a*a*a*a*a*a*a*a*a*a*a*b"])
def test_what_would_take_for_ever_is_given_up_for_good(text: str) -> None:
    before = signal.getsignal(signal.SIGVTALRM)
    pattern = BoundedPattern(re.compile(text), longest_s=0.05)

    for _ in range(2):
        with pytest.raises(UsageError, match="takes too long: use a simpler pattern"):
            pattern.found_in(EVIL)
    assert signal.getsignal(signal.SIGVTALRM) is before
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)


def test_other_patterns_find_what_they_should() -> None:
    pattern = BoundedPattern(re.compile("b.*t+"))

    assert [pattern.found_in(word) for word in ("bert", "gpt", "x-bart-2")] == [True, False, True]
    assert BoundedPattern(re.compile("a+$")).found_in("xaa")


def test_a_filter_says_so_in_a_sentence() -> None:
    jobs = [{"id": 1, "name": EVIL}]

    with pytest.raises(UsageError, match="takes too long"):
        list(filter(matcher(["/(a+)+$/"], dict[str, object].get), jobs))
