"""Files that TensorFlow wrote, read as TensorFlow reads them."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from gpuq_daemon.eventfile.events import EventDecoder, Points
from gpuq_daemon.eventfile.tfrecord import RecordReader

DATA = Path(__file__).parent.parent / "data"
KEPT = DATA / "events"


def read(file: Path) -> dict[str, Any]:
    """Return a file's points in the form of `expected.json`."""
    reader, decoder, points = RecordReader(), EventDecoder(), Points()
    for payload in reader.feed(file.read_bytes()):
        decoder.decode(payload, points)
    assert (reader.skipped, reader.is_held, points.malformed) == (0, False, 0)
    return {
        "scalars": {tag: [list(p) for p in found] for tag, found in points.scalars.items()},
        "histograms": {
            tag: [[p.step, p.wall_time, list(p.edges), list(p.counts)] for p in found]
            for tag, found in points.histograms.items()
        },
    }


def expected(folder: Path) -> dict[str, Any]:
    """Return what TensorFlow found in each file of `folder`."""
    golden: dict[str, Any] = json.loads((folder / "expected.json").read_text())
    return golden


@pytest.mark.parametrize("file", sorted(expected(KEPT)))
def test_every_number_is_the_one_tensorflow_reads(file: str) -> None:
    # As text, since NaN is not equal to itself.
    assert json.dumps(read(KEPT / file)) == json.dumps(expected(KEPT)[file])


@pytest.mark.skipif(find_spec("tensorflow") is None, reason="needs the extra `job`")
def test_files_of_the_installed_tensorflow_are_read_as_it_reads_them(tmp_path: Path) -> None:
    subprocess.run([sys.executable, DATA / "make_event_files.py", tmp_path], check=True, capture_output=True)

    golden = expected(tmp_path)

    assert len(golden) == 5
    assert json.dumps({file: read(tmp_path / file) for file in golden}) == json.dumps(golden)
