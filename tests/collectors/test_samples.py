"""What a driver says of its ranks' use is read once, whatever else is in the file, and after it was begun anew too."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gpuq_daemon.collectors.samples import NAME, read_samples
from gpuq_daemon.series.points import FilePosition
from gpuq_job.samples import Samples

SAMPLE: dict[str, Any] = {"cpu": 50.0, "memory_mib": 1.0, "idle_s": 0.0, "gpus": [], "steps": None}


def test_samples_are_read_on_from_where_they_were_read_to(tmp_path: Path) -> None:
    samples = Samples(tmp_path / NAME)
    samples.add(0, SAMPLE)
    first, position = read_samples(tmp_path, None, 2)
    samples.add(1, {**SAMPLE, "cpu": 70.0})
    second, position = read_samples(tmp_path, position, 2)
    third, last = read_samples(tmp_path, position, 2)

    assert [(one.rank, one.cpu) for one in first] == [(0, 50.0)]
    assert [(one.rank, one.cpu) for one in second] == [(1, 70.0)]
    assert (third, last) == ([], position)


def test_a_file_that_is_full_is_begun_anew_and_read_from_its_start(tmp_path: Path) -> None:
    samples = Samples(tmp_path / NAME, largest=400)
    position: FilePosition | None = None
    seen = list[float]()
    for n in range(40):
        samples.add(0, {**SAMPLE, "cpu": float(n)})
        found, position = read_samples(tmp_path, position, 1)
        seen += [one.cpu for one in found]

    assert seen == [float(n) for n in range(40)]
    assert (tmp_path / NAME).stat().st_size <= 400


def test_what_is_no_sample_of_this_job_is_passed_over(tmp_path: Path) -> None:
    Samples(tmp_path / NAME).add(0, SAMPLE)
    with (tmp_path / NAME).open("ab") as file:
        file.write(b'{"t": 1, "rank": 7, "cpu": 1, "memory_mib": 1, "idle_s": 0}\n')  # there is no such rank
        file.write(b'{"t": 1, "rank": 0, "cpu": NaN, "memory_mib": 1, "idle_s": 0}\n')
        file.write(b'{"t": 1, "rank": 0, "cpu": -1, "memory_mib": 1, "idle_s": 0}\n')
        file.write(b"[" * 100_000 + b"\n")
        file.write(b'{"t": 1, "rank": 1, "cpu": 1, "memory_mib": 1, "idle_s": 0}\n{"t": 1, "rank"')

    found, position = read_samples(tmp_path, None, 2)

    assert [one.rank for one in found] == [0, 1]
    assert position is not None
    assert position.offset == (tmp_path / NAME).stat().st_size - len(b'{"t": 1, "rank"')


def test_a_link_to_somebody_elses_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b'{"t": 1, "rank": 1, "cpu": 1, "memory_mib": 1, "idle_s": 0}\n')
    (tmp_path / NAME).symlink_to(tmp_path / "other")

    assert read_samples(tmp_path, None, 2) == ([], None)


@given(st.binary(max_size=300))
def test_any_bytes_can_be_read(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / NAME).write_bytes(data)
        read_samples(Path(name), None, 2)
