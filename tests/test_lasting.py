"""What was fine is fine for a moment; what was refused is asked anew each time."""

from __future__ import annotations

from gpuq_daemon.lasting import lasting


def test_what_was_fine_is_not_asked_again_until_its_time_is_over() -> None:
    asked, at = list[int](), [0.0]

    def refusal(number: int) -> str | None:
        asked.append(number)
        return "odd" if number % 2 else None

    check = lasting(refusal, for_s=1.0, now=lambda: at[0])
    assert [check(2), check(2), check(1), check(1)] == [None, None, "odd", "odd"]
    assert asked == [2, 1, 1]
    at[0] = 1.0
    assert check(2) is None
    assert asked == [2, 1, 1, 2]
