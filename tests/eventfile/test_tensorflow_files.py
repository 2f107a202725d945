"""Files that TensorFlow wrote, read as TensorFlow reads them."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from gpuq_daemon.eventfile.events import EventDecoder, Points
from gpuq_daemon.eventfile.tfrecord import RecordReader
from gpuq_daemon.series.notes import Hparams, Picture, Text

DATA = Path(__file__).parent.parent / "data"
KEPT = DATA / "events"


def read(file: Path) -> dict[str, Any]:
    """Return a file's points in the form of `expected.json`."""
    reader, decoder, points = RecordReader(), EventDecoder(), Points()
    data = file.read_bytes()
    payloads = reader.feed(data)
    for payload, place in zip(payloads, reader.places, strict=True):
        decoder.decode(payload, points, place)
    assert (reader.skipped, reader.is_held, points.malformed) == (0, False, 0)
    return {
        "scalars": {tag: [list(p) for p in found] for tag, found in points.scalars.items()},
        "histograms": {
            tag: [[p.step, p.wall_time, list(p.edges), list(p.counts)] for p in found]
            for tag, found in points.histograms.items()
        },
        "notes": [[note.tag, note.step, note.wall_time, noted(note.content, data)] for note in points.notes],
    }


def noted(content: Text | Hparams | Picture, data: bytes) -> Any:
    """Return a note as it is expected, a picture by its bytes in the file."""
    match content:
        case Text():
            return content.text
        case Hparams():
            return content.values
        case Picture():
            picture = data[content.at : content.at + content.bytes]
            return [content.width, content.height, hashlib.sha256(picture).hexdigest()]


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

    assert len(golden) == 7
    assert json.dumps({file: read(tmp_path / file) for file in golden}) == json.dumps(golden)
