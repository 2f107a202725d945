"""What a `.weights.h5` or `.keras` file of Keras holds, listed by h5py in a process of its own.

HDF5 is a large C library, and these files come from whoever runs a job: it reads them in a child that may use little
memory and time, has no other file, and can take nobody else down. The child lists; the numbers are then read by
ranges, as those of any checkpoint.

Run as `python -I -m gpuq_daemon.collectors.hdf5_list KIND < FILE`; writes a JSON list, or a sentence to standard error
with exit code 1.

Source: keras/src/saving/saving_lib.py: a `.keras` is a zip with stored members, weights are below `layers/<x>/vars`,
and the attribute `name` of that group is the layer's name.
"""

from __future__ import annotations

import io
import json
import os
import resource
import struct
import sys
import zipfile
from importlib import import_module
from typing import Any

MEMBER = "model.weights.h5"
MAX_VARIABLES = 100_000
_MEMORY_BYTES = 1 << 30
_CPU_S = 10
_LONGEST_PATH = 500
_NOBODY = 65534
_ZIP_HEADER = struct.Struct("<4s5H3I2H")
_TYPES = {
    "f2": 19,
    "f4": 1,
    "f8": 2,
    "i1": 6,
    "i2": 5,
    "i4": 3,
    "i8": 9,
    "u1": 4,
    "u2": 17,
    "u4": 22,
    "u8": 23,
    "b1": 10,
}
_BFLOAT16 = 14


class Window(io.RawIOBase):
    """A part of a file as a file."""

    def __init__(self, descriptor: int, start: int, size: int) -> None:
        self._descriptor, self._start, self._size, self._at = descriptor, start, size, 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        data = os.pread(self._descriptor, max(0, min(len(view), self._size - self._at)), self._start + self._at)
        view[: len(data)] = data
        self._at += len(data)
        return len(data)


def window_of_keras(descriptor: int) -> tuple[int, int]:
    """Return where the weights lie in a `.keras` file, and their size.

    Raises:
        ValueError: there are none, or they are compressed.
    """
    size = os.fstat(descriptor).st_size
    with zipfile.ZipFile(Window(descriptor, 0, size)) as archive:
        try:
            member = archive.getinfo(MEMBER)
        except KeyError:
            raise ValueError(f"the archive has no {MEMBER}") from None
    if member.compress_type != zipfile.ZIP_STORED:
        raise ValueError("its weights are compressed, so that they cannot be read by ranges")
    header = os.pread(descriptor, _ZIP_HEADER.size, member.header_offset)
    name, extra = _ZIP_HEADER.unpack(header)[-2:]
    return member.header_offset + _ZIP_HEADER.size + name + extra, member.file_size


def list_variables(file: Any, start: int) -> list[dict[str, Any]]:
    """Return name, key, type, shape, offset and size of each dataset of numbers; offset None if it lies in several
    places.
    """
    import h5py

    found: list[dict[str, Any]] = []
    with h5py.File(file, "r") as opened:

        def visit(path: str, item: Any) -> bool | None:
            if isinstance(item, h5py.Dataset) and len(path) <= _LONGEST_PATH:
                found.append(_told(path, item, start))
            return True if len(found) >= MAX_VARIABLES else None

        opened.visititems(visit)  # links are not followed: neither to other files nor round in circles
    return found


def _told(path: str, item: Any, start: int) -> dict[str, Any]:
    lies = item.id.get_offset() if item.chunks is None and not item.external else None
    size = int(item.size) * item.dtype.itemsize
    return {
        "name": _name(path, item.parent),
        "key": path,
        "dtype": _type(item),
        "shape": [int(n) for n in item.shape or ()],
        "offset": None if lies is None and size else start + (lies or 0),
        "size": size,
    }


def _type(item: Any) -> int:
    kind = item.dtype.str
    if kind.startswith(("<", "|")) and kind[1:] in _TYPES:
        return _TYPES[kind[1:]]
    return _BFLOAT16 if kind == "|V2" and item.attrs.get("dtype") in ("bfloat16", b"bfloat16") else 0


def _name(path: str, group: Any) -> str:
    """Return "layer/0" for "layers/dense_4/vars/0" of a layer called so; other paths stay as they are."""
    *folders, number = path.split("/")
    if folders[-1:] != ["vars"]:
        return path
    own = group.attrs.get("name")
    own = own.decode(errors="replace") if isinstance(own, bytes) else own
    above = [folder for folder in folders[:-1] if folder not in ("layers", "_layer_checkpoint_dependencies")]
    return "/".join([*above[:-1], own, number] if isinstance(own, str) and above else [*above, number])


def main(kind: str) -> int:
    """List the file that standard input is."""
    _confine()
    descriptor = sys.stdin.fileno()
    try:
        start, size = window_of_keras(descriptor) if kind == "keras" else (0, os.fstat(descriptor).st_size)
        found = list_variables(io.BufferedReader(Window(descriptor, start, size)), start)
    except Exception as error:  # whatever a damaged file makes h5py or zipfile raise
        print(" ".join(str(error).split())[:300] or type(error).__name__, file=sys.stderr)
        return 1
    print(json.dumps(found))
    return 0


def _confine() -> None:
    """Give up what reading a file does not need."""
    _load()
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)


def _load() -> None:
    """Use all that listing a file uses once, so that its modules are there: nobody may not be allowed to read them."""
    import h5py

    import_module("encodings.cp437")  # of names in archives
    small = io.BytesIO()
    with h5py.File(small, "w") as opened:
        opened["layers/dense/vars/0"] = 1.0
        opened["layers/dense/vars"].attrs["name"] = "dense"
    list_variables(io.BytesIO(small.getvalue()), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
