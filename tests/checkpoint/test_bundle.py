"""Checkpoints that TensorFlow and Keras wrote, read as they read them, and damaged ones."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuq_daemon.checkpoint import reading
from gpuq_daemon.checkpoint.bundle import OBJECT_GRAPH, read_index
from gpuq_daemon.checkpoint.slices import slice_key
from gpuq_daemon.checkpoint.snappy import unpack
from gpuq_daemon.checkpoint.source import DamagedError
from gpuq_daemon.checkpoint.table import entries
from gpuq_daemon.checkpoint.variables import Variable
from gpuq_daemon.collectors.checkpoint_files import CheckpointFiles, Kept, is_checkpoint_file
from gpuq_daemon.eventfile.tfrecord import masked_crc
from gpuq_daemon.files.local import LocalFiles
from tests.support.values import Bytes

DATA = Path(__file__).parent.parent / "data"
KEPT = DATA / "checkpoints"


pyarrow: Any = import_module("pyarrow")  # it has no types


def packed(data: bytes) -> bytes:
    """Return a block of snappy as others write it."""
    made: bytes = pyarrow.compress(data, codec="snappy", asbytes=True)
    return made


def expected(folder: Path) -> dict[str, Any]:
    """Return what TensorFlow and h5py found in each checkpoint of `folder`."""
    golden: dict[str, Any] = json.loads((folder / "expected.json").read_text())
    return golden


def numbers_of(variable: Variable, shards: Sequence[Bytes]) -> list[float]:
    """Return all numbers of a variable in the order of its pieces."""
    return [float(n) for chunk in reading.chunks(variable, shards) for n in chunk]


def shards_of(folder: Path, kept: Kept) -> list[Bytes]:
    """Return the files of a checkpoint."""
    return [Bytes(folder.joinpath(*file.parts).read_bytes()) for file in kept.files]


def assert_equal(folder: Path) -> int:
    """Check every number of every checkpoint in `folder`; return how many variables there were."""
    golden, seen = expected(folder), 0
    files = CheckpointFiles(LocalFiles(folder, is_checkpoint_file))
    for kept in files.all():
        wanted = golden.get(kept.name if kept.format != "tensorflow" else f"{kept.name}.index")
        if wanted is None:  # a .keras file holds the same weights as the .weights.h5 of its step
            wanted = golden[kept.name.replace("model", "weights").replace(".keras", ".weights.h5")]
        found = {one.key: one for one in files.variables(kept) if one.key in wanted}
        assert set(found) == set(wanted)
        for key, (dtype, shape, numbers) in wanted.items():
            told = numbers_of(found[key], shards_of(folder, kept))
            assert (found[key].type_name, list(found[key].shape)) == (dtype, shape)
            np.testing.assert_array_equal(
                np.sort(told), np.sort([float(n) for n in numbers]), err_msg=f"{kept.name} {key}"
            )
        seen += len(found)
    return seen


def test_every_number_is_the_one_that_tensorflow_and_keras_read() -> None:
    assert assert_equal(KEPT) > 50


@pytest.mark.skipif(find_spec("tensorflow") is None, reason="needs the extra `job`")
def test_checkpoints_of_the_installed_tensorflow_are_read_as_it_reads_them(tmp_path: Path) -> None:
    subprocess.run([sys.executable, DATA / "make_checkpoints.py", tmp_path], check=True, capture_output=True)

    assert assert_equal(tmp_path) > 50


def test_keys_of_keras_get_the_names_that_people_use() -> None:
    files = CheckpointFiles(LocalFiles(KEPT / "keras", is_checkpoint_file))
    names = {kept.name: [one.name for one in files.variables(kept)] for kept in files.all()}

    assert names["ckpt-20"][:4] == [
        "adam/iteration",
        "adam/learning_rate",
        "sequential/first/kernel",
        "sequential/first/bias",
    ]
    assert names["weights-20.weights.h5"][:4] == ["first/0", "first/1", "second/0", "second/1"]
    assert names["model-20.keras"] == names["weights-20.weights.h5"]


def test_a_name_that_two_variables_have_is_given_to_neither() -> None:
    (kept,) = CheckpointFiles(LocalFiles(KEPT / "types", is_checkpoint_file)).all()
    names = [one.name for one in CheckpointFiles(LocalFiles(KEPT / "types", is_checkpoint_file)).variables(kept)]

    assert "Variable" not in names
    assert "bfloat16" in names
    assert OBJECT_GRAPH not in names


def test_a_checkpoint_is_one_once_all_its_files_are_there(tmp_path: Path) -> None:
    source = KEPT / "version_1"
    files = sorted(path for path in source.iterdir())
    for path in files[:-1]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
        assert CheckpointFiles(LocalFiles(tmp_path, is_checkpoint_file)).all() == []
    (tmp_path / files[-1].name).write_bytes(files[-1].read_bytes())

    (kept,) = CheckpointFiles(LocalFiles(tmp_path, is_checkpoint_file)).all()

    assert (kept.name, kept.number, kept.format) == ("model.ckpt-120", 120, "tensorflow")


def test_links_in_the_folder_are_not_followed(tmp_path: Path) -> None:
    for path in (KEPT / "version_1").iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "linked").symlink_to(KEPT / "keras")

    assert CheckpointFiles(LocalFiles(tmp_path, is_checkpoint_file)).all() == []


# Source: what EncodeTensorNameSlice gave for these, printed by TensorFlow's own reader of such files.
@pytest.mark.parametrize(
    ("extents", "key"),
    [
        ([(0, 4), (0, 67)], b"\x00part/wide\x00\x01\x01\x02\x80\x84\x80\xc0\x43"),
        ([(0, 4), (134, 66)], b"\x00part/wide\x00\x01\x01\x02\x80\x84\xc0\x86\xc0\x42"),
    ],
)
def test_slices_lie_under_ordered_keys(extents: list[tuple[int, int]], key: bytes) -> None:
    assert slice_key("part/wide", extents) == key
    assert key in [k for k, _ in entries(Bytes((KEPT / "version_1" / "model.ckpt-120.index").read_bytes()))]


@given(st.lists(st.integers(min_value=0, max_value=2**40), min_size=2, unique=True))
def test_ordered_keys_are_in_the_order_of_what_they_stand_for(starts: list[int]) -> None:
    assert [slice_key("a", [(s, -1)]) for s in sorted(starts)] == sorted(slice_key("a", [(s, -1)]) for s in starts)


@given(st.binary(max_size=3000), st.integers(0, 5))
def test_snappy_blocks_are_unpacked(data: bytes, repeats: int) -> None:
    whole = data * repeats + data[:50] * 3

    assert unpack(packed(whole)) == whole


@given(st.binary(max_size=200))
def test_no_bytes_break_unpacking(data: bytes) -> None:
    with contextlib.suppress(DamagedError):
        unpack(data)


def compressed(table: bytes) -> bytes:
    """Return a table of one data block with that block compressed: the same entries, other places."""
    pairs = list(entries(Bytes(table)))
    block = (
        b"".join(_varint(0) + _varint(len(k)) + _varint(len(v)) + k + v for k, v in pairs) + bytes(4) + b"\x01\0\0\0"
    )
    data = packed(block)
    handle = _varint(0) + _varint(len(data))
    index = _varint(0) + _varint(1) + _varint(len(handle)) + b"~" + handle + bytes(4) + b"\x01\0\0\0"
    first = _sealed(data, b"\x01")
    footer = (_varint(0) + _varint(0) + _varint(len(first)) + _varint(len(index))).ljust(40, b"\0")
    return first + _sealed(index, b"\0") + footer + (0xDB4775248B80FB57).to_bytes(8, "little")


def _sealed(block: bytes, kind: bytes) -> bytes:
    return block + kind + masked_crc(block + kind).to_bytes(4, "little")


def _varint(value: int) -> bytes:
    out = b""
    while value >= 0x80:
        out, value = out + bytes((value & 0x7F | 0x80,)), value >> 7
    return out + bytes((value,))


def test_an_index_of_compressed_blocks_says_the_same() -> None:
    plain = (KEPT / "keras" / "ckpt-20.index").read_bytes()

    assert read_index(Bytes(compressed(plain))) == read_index(Bytes(plain))


@given(
    st.randoms(use_true_random=False), st.integers(1, 4), st.sampled_from(["keras/ckpt-20", "version_1/model.ckpt-120"])
)
def test_a_damaged_index_is_refused_or_read_and_never_more(random: random.Random, changes: int, name: str) -> None:
    data = bytearray((KEPT / f"{name}.index").read_bytes())
    for _ in range(changes):
        data[random.randrange(len(data))] = random.randrange(256)
    if random.random() < 0.3:
        del data[random.randrange(len(data)) :]
    with contextlib.suppress(DamagedError):
        read_index(Bytes(bytes(data)))


def test_damaged_numbers_are_told_by_their_checksum() -> None:
    (kept,) = CheckpointFiles(LocalFiles(KEPT / "version_1", is_checkpoint_file)).all()
    shards = shards_of(KEPT / "version_1", kept)
    variable = next(
        one
        for one in CheckpointFiles(LocalFiles(KEPT / "version_1", is_checkpoint_file)).variables(kept)
        if one.name == "part/wide"
    )
    whole = bytearray(shards[0].read(0, shards[0].size))
    whole[1000] ^= 1

    with pytest.raises(DamagedError, match="checksum"):
        numbers_of(variable, [Bytes(bytes(whole)), *shards[1:]])


@pytest.mark.parametrize("damage", [b"", b"no HDF5 at all", b"\x89HDF\r\n\x1a\n" + bytes(100)])
@pytest.mark.parametrize("name", ["a.weights.h5", "a.keras"])
def test_a_damaged_file_of_keras_is_one_sentence(tmp_path: Path, name: str, damage: bytes) -> None:
    (tmp_path / name).write_bytes(damage)
    files = CheckpointFiles(LocalFiles(tmp_path, is_checkpoint_file))

    with pytest.raises(DamagedError):
        files.variables(files.all()[0])
