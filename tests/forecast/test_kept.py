"""How often promises were kept."""

from __future__ import annotations

from gpuq_daemon.forecast.kept import eta_rows
from gpuq_daemon.store.estimates import Promised


def promise(job_id: int, start: float | None, *, made: float = 0.0, left: float | None = None) -> Promised:
    """Return one that said 100 s or so, and 200 s at most."""
    return Promised(job_id=job_id, made_at=made, p50_at=made + 100, p90_at=made + 200, started_at=start, left_at=left)


def test_parts_are_of_those_that_can_be_judged() -> None:
    made = [
        promise(1, 90.0),
        promise(2, 150.0),
        promise(3, 250.0),
        promise(4, None),  # waits, and is late
        promise(5, None, left=50.0),  # was cancelled
        promise(6, None, made=900.0),  # may still start in time
    ]

    everything, first, *by_distance = eta_rows(made, 1000.0)

    assert (everything.promises, everything.p50_kept, everything.p90_kept) == (4, 0.25, 0.5)
    assert everything.median_error == (150 - 100) / 150
    assert first.promises == 4
    assert [(one.which, one.promises) for one in by_distance] == [("start within 10 min", 4)]


def test_the_first_promise_to_each_is_judged_by_itself() -> None:
    _, first, *_ = eta_rows([promise(1, 900.0), promise(1, 900.0, made=850.0)], 1000.0)

    assert (first.promises, first.p90_kept) == (1, 0.0)


def test_nothing_is_said_of_nothing() -> None:
    assert [(one.promises, one.p50_kept, one.median_error) for one in eta_rows([], 0.0)] == [(0, None, None)] * 2
