"""What the metrics store promises: every point once, whatever happens in between."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuq.errors import NotFoundError
from gpuq.summaries import SeriesKind
from gpuq_daemon.series.chunk import pack
from gpuq_daemon.series.growing import Kept
from gpuq_daemon.series.points import (
    Batch,
    FilePosition,
    HistogramPoint,
    ScalarColumns,
    ScalarPoint,
    ScalarPoints,
    SeriesKey,
)
from gpuq_daemon.series.thin import unpacked
from gpuq_daemon.store.metrics import MetricsStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[MetricsStore]:
    store = MetricsStore(tmp_path / "metrics.db")
    yield store
    store.close()


def a_key(tag: str = "loss", run: str = ".", rank: int = 0, kind: SeriesKind = SeriesKind.SCALAR) -> SeriesKey:
    return SeriesKey(rank=rank, run=run, tag=tag, kind=kind)


def a_batch(
    points: dict[SeriesKey, list[ScalarPoint]] | None = None,
    histograms: dict[SeriesKey, list[HistogramPoint]] | None = None,
    job_id: int = 1,
    attempt: int = 1,
    before: tuple[FilePosition, ...] = (),
    positions: tuple[FilePosition, ...] = (),
) -> Batch:
    return Batch(
        job_id=job_id,
        attempt=attempt,
        scalars={key: ScalarPoints(found) for key, found in (points or {}).items()},
        histograms=histograms or {},
        before={p.path: p for p in before},
        positions=positions,
    )


def a_position(offset: int, path: str = "rank-0/e", skipped: int = 0, is_held: bool = False) -> FilePosition:
    return FilePosition(path=path, identity="1:2", offset=offset, skipped=skipped, is_held=is_held)


def line(count: int, start: int = 0) -> list[ScalarPoint]:
    return [(i, 1000.0 + i, float(i)) for i in range(start, start + count)]


def columns_of(points: list[ScalarPoint]) -> ScalarColumns:
    steps, wall_times, values = zip(*points, strict=True)
    return ScalarColumns(steps=np.array(steps), wall_times=np.array(wall_times), values=np.array(values))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 5000), min_size=1, max_size=10))
def test_points_stay_in_order_however_they_are_batched(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int]
) -> None:
    store, written = MetricsStore(tmp_path_factory.mktemp("store") / "metrics.db"), 0
    for size in sizes:
        store.append(a_batch({a_key(): line(size, written)}))
        written += size

    curve = store.curve(1, "loss", columns=written)

    assert curve.steps == tuple(float(i) for i in range(written))
    assert curve.series.count == written
    store.close()


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 3000)), min_size=1, max_size=6))
@settings(max_examples=20, deadline=None)
def test_points_read_in_bulk_are_kept_as_others_are(
    tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[bool, int]]
) -> None:
    store, written = MetricsStore(tmp_path_factory.mktemp("store") / "metrics.db"), 0
    for is_bulk, size in parts:
        rows = line(size, written)
        points = ScalarPoints(() if is_bulk else rows)
        if is_bulk:
            points.add(columns_of(rows))
        store.append(replace(a_batch(), scalars={a_key(): points}))
        written += size

    curve = store.curve(1, "loss", columns=written)

    assert (curve.steps, curve.last) == (tuple(map(float, range(written))),) * 2
    assert (curve.series.last_step, curve.series.first_step) == (written - 1, 0)
    store.close()


def test_chunks_at_the_end_are_merged_and_stay_few(store: MetricsStore) -> None:
    for i in range(300):
        store.append(a_batch({a_key(): line(1 + i % 40, 40 * i)}))

    curve = store.curve(1, "loss", columns=10_000)

    assert list(curve.steps) == [float(40 * i + k) for i in range(300) for k in range(1 + i % 40)]
    assert curve.steps == curve.last
    assert curve.count == curve.series.count == len(curve.steps)
    assert store._reader.execute("SELECT count(*) FROM chunk").fetchone()[0] <= 14  # pyright: ignore[reportPrivateUsage]


def test_a_batch_counts_once(store: MetricsStore) -> None:
    first = a_batch({a_key(): line(3)}, positions=(a_position(100),))
    second = a_batch({a_key(): line(2, 3)}, before=(a_position(100),), positions=(a_position(200),))

    assert [store.append(b) for b in (first, first, second, second)] == [True, False, True, False]
    assert store.series(1)[0].count == 5
    assert store.positions(1, 1) == {"rank-0/e": a_position(200)}


def test_a_batch_that_fails_leaves_nothing(store: MetricsStore) -> None:
    bad = a_batch({a_key("a"): line(3), a_key("b"): [(2**70, 1.0, 1.0)]}, positions=(a_position(100),))

    with pytest.raises(OverflowError):
        store.append(bad)

    assert (store.series(1), store.positions(1, 1)) == ([], {})
    assert store.append(a_batch({a_key(): line(1)}))


def test_what_was_stored_is_there_after_opening_again(tmp_path: Path) -> None:
    first = MetricsStore(tmp_path / "m.db")
    first.append(a_batch({a_key(): line(3)}, positions=(a_position(9, is_held=True),)))
    first.close()

    second = MetricsStore(tmp_path / "m.db")

    assert second.series(1)[0].count == 3
    assert second.positions(1, 1)["rank-0/e"].is_held
    second.close()


def test_series_are_listed_newest_attempt_first(store: MetricsStore) -> None:
    store.append(a_batch({a_key(rank=1): line(1), a_key("b"): line(2), a_key("a", "train"): line(1)}))
    store.append(a_batch({a_key(): line(1)}, attempt=2))
    store.append(a_batch({a_key(): line(1)}, job_id=2))

    listed = [(s.attempt, s.rank, s.run, s.tag) for s in store.series(1)]

    assert listed == [(2, 0, ".", "loss"), (1, 0, ".", "b"), (1, 0, "train", "a"), (1, 1, ".", "loss")]


def test_a_series_ends_with_its_newest_wall_time(store: MetricsStore) -> None:
    store.append(a_batch({a_key(): [(5, 10.0, 0.5), (9, 30.0, 0.25)]}))
    store.append(a_batch({a_key(): [(2, 20.0, 4.0)]}))

    (series,) = store.series(1)

    assert (series.first_step, series.last_step, series.last_wall_time, series.last_value) == (2, 9, 30.0, 0.25)


def test_nan_and_infinity_are_kept(store: MetricsStore) -> None:
    store.append(a_batch({a_key(): [(1, 1.0, math.inf), (2, 2.0, math.nan)]}))

    curve = store.curve(1, "loss")

    assert curve.nan_count == 2
    assert curve.last[0] == math.inf
    assert curve.series.last_value is not None
    assert math.isnan(curve.series.last_value)
    progress = store.progress(1)
    assert progress is not None
    assert math.isnan(progress.value)


def test_a_curve_is_of_the_newest_attempt_and_lowest_rank_unless_asked(store: MetricsStore) -> None:
    store.append(a_batch({a_key(): line(1)}))
    store.append(a_batch({a_key(rank=1): line(2), a_key(run="val"): line(3), a_key(run="train"): line(4)}, attempt=2))

    assert store.curve(1, "loss").count == 4
    assert store.curve(1, "loss", run="val").count == 3
    assert store.curve(1, "loss", rank=1).count == 2
    assert store.curve(1, "loss", attempt=1).count == 1


def test_a_tag_that_is_not_there_is_said_so(store: MetricsStore) -> None:
    store.append(a_batch({a_key(): line(1)}))

    for job_id, tag in ((1, "lose"), (2, "loss")):
        with pytest.raises(NotFoundError, match=f"Job {job_id} has no scalar '{tag}'"):
            store.curve(job_id, tag)
    with pytest.raises(NotFoundError, match="histogram"):
        store.histograms(1, "loss")


def test_histograms_come_by_step_and_are_picked_evenly(store: MetricsStore) -> None:
    points = [HistogramPoint(step=s, wall_time=float(s), edges=(0.0, 1.0), counts=(float(s),)) for s in range(100)]
    store.append(a_batch(histograms={a_key("w", kind=SeriesKind.HISTOGRAM): points[50:]}))
    store.append(a_batch(histograms={a_key("w", kind=SeriesKind.HISTOGRAM): points[:50]}))

    series, everything = store.histograms(1, "w")
    _, some = store.histograms(1, "w", at_most=10)

    assert list(everything) == points
    assert [p.step for p in some] == [9, 19, 29, 39, 49, 59, 69, 79, 89, 99]
    assert (series.count, series.last_value, series.last_step) == (100, None, 99)


def test_damage_counts_what_was_given_up_and_what_is_held(store: MetricsStore) -> None:
    places = (a_position(1, "a", skipped=2), a_position(1, "b", is_held=True), a_position(1, "c"))
    store.append(a_batch(positions=places))

    assert (store.damage(1), store.damage(2)) == (3, 0)


@pytest.mark.parametrize(
    ("keys", "standing"),
    [
        ([("accuracy", "."), ("loss", ".")], "loss"),
        ([("epoch_accuracy", "train"), ("epoch_loss", "validation"), ("epoch_loss", "train")], "epoch_loss"),
        ([("val_loss", "."), ("batch_loss", ".")], "batch_loss"),
        ([("batch_loss", "train"), ("epoch_loss", "train")], "epoch_loss"),
        ([("eval/loss", "."), ("train/loss", ".")], "train/loss"),
        ([("z", "."), ("a", ".")], "z"),
        ([("loss/scale", "."), ("total_loss", ".")], "total_loss"),
    ],
)
def test_the_scalar_that_stands_for_a_job(store: MetricsStore, keys: list[tuple[str, str]], standing: str) -> None:
    for i, (tag, run) in enumerate(keys):
        value = 1.0 if run == "validation" else 0.0
        store.append(a_batch({a_key(tag, run): [(i, float(i), value)]}))

    progress = store.progress(1)

    assert progress is not None
    assert (progress.tag, progress.value, progress.previous) == (standing, 0.0, None)


def test_progress_has_the_value_ten_points_before_for_the_trend(store: MetricsStore) -> None:
    store.append(a_batch({a_key(): line(4)}))
    early = store.progress(1)
    store.append(a_batch({a_key(): line(30, 4)}))
    store.append(a_batch({a_key(): line(3, 34)}))
    late = store.progress(1)

    assert early is not None
    assert late is not None
    assert (early.value, early.previous) == (3.0, 0.0)
    assert (late.step, late.value, late.previous) == (36, 36.0, 26.0)


def test_a_job_without_scalars_has_no_progress(store: MetricsStore) -> None:
    assert store.progress(1) is None


def test_readers_and_a_writer_in_threads_see_whole_batches(store: MetricsStore) -> None:
    def write() -> None:
        for i in range(100):
            store.append(a_batch({a_key("a"): line(3, 3 * i), a_key("b"): line(3, 3 * i)}))

    def read() -> None:
        for _ in range(100):
            assert len({s.count for s in store.series(1)}) <= 1
            if store.series(1):
                curve = store.curve(1, "a")
                assert curve.count == curve.series.count

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(write), pool.submit(read), pool.submit(read)]:
            done.result()
    assert store.series(1)[0].count == 300


def test_a_curve_that_was_asked_for_before_has_what_came_since(tmp_path: Path) -> None:
    store = MetricsStore(tmp_path / "metrics.db")
    written: list[ScalarPoint] = []
    key = SeriesKey(rank=0, run=".", tag="loss", kind=SeriesKind.SCALAR)
    for size in (1, 3, 5000, 4095, 1, 2, 9000, 1):
        more = [(step, float(step), step / 7) for step in range(len(written), len(written) + size)]
        written += more
        assert store.append(Batch(job_id=1, attempt=1, scalars={key: ScalarPoints(more)}))

        points = store.course(1, "loss")[1].points

        assert list(zip(points.steps, points.wall_times, points.values, strict=True)) == written
    while not store.forget(1):
        pass
    assert store.append(Batch(job_id=1, attempt=1, scalars={key: ScalarPoints([(5, 5.0, 5.0)])}))
    assert store.course(1, "loss")[1].points.steps.tolist() == [5.0]
    store.close()


def test_no_more_points_are_kept_unpacked_than_is_allowed() -> None:
    kept = Kept(most=10)
    for number in range(3):
        kept.get((1, number)).append(unpacked([(pack([(0, 0.0, 0.0)] * 4), 4)], 4))
        kept.trim()

    assert [kept.get((1, number)).count for number in (2, 1, 0)] == [4, 4, 0]
