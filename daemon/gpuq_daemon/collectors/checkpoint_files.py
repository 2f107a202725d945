"""The checkpoints below a folder: which there are, what they hold, how their numbers are distributed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Literal, TypeAlias

import msgspec

from gpuq_daemon.checkpoint import reading
from gpuq_daemon.checkpoint.bundle import OBJECT_GRAPH, Index, named, read_index
from gpuq_daemon.checkpoint.counters import Counters, counters
from gpuq_daemon.checkpoint.distribution import Distribution, distribution
from gpuq_daemon.checkpoint.objects import first_string
from gpuq_daemon.checkpoint.source import DamagedError, Source, exactly
from gpuq_daemon.checkpoint.variables import Piece, Variable
from gpuq_daemon.collectors.counted import Counted
from gpuq_daemon.files.found import Files, Found, OpenFile

Format: TypeAlias = Literal["tensorflow", "keras-weights", "keras"]

_INDEX = ".index"
_SHARD = re.compile(r"(?P<prefix>.+)\.data-(?P<number>\d{5})-of-(?P<count>\d{5})")
_WHOLE: dict[str, Format] = {".weights.h5": "keras-weights", ".keras": "keras"}
_LAST_NUMBER = re.compile(r"(\d{1,18})\D*$")
_LISTING_S = 20.0
_LONGEST_LISTING = 64 * 2**20
_MAX_GRAPH_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A checkpoint in a folder.

    `name` is its path below the folder, as one gives it to TensorFlow or Keras. `number` is the last number in it: a
    step where the script named it so, else an epoch or the count of saves.
    `saved_at_ns` is when the last of its files was written. `files` are its shards by number (or the only file), after
    them its index if it has one.
    """

    name: str
    format: Format
    number: int | None
    saved_at_ns: int
    files: tuple[Found, ...]

    @property
    def bytes(self) -> int:
        """What its files take."""
        return sum(file.size for file in self.files)


class _Told(msgspec.Struct):
    """One variable as the listing child tells it."""

    name: str
    key: str
    dtype: int
    shape: tuple[int, ...]
    offset: int | None
    size: int


class CheckpointFiles:
    """The checkpoints below one folder. Methods block; whoever writes the folder is not trusted."""

    def __init__(self, files: Files, counted: Counted | None = None) -> None:
        """`files` are those below the folder that `is_checkpoint_file`; `counted` is what was read before."""
        self._files = files
        self._counted = Counted() if counted is None else counted

    def all(self) -> list[Kept]:
        """Return the whole checkpoints in the order of the numbers in their names, those without one first; one half
        written is none yet.
        """
        files = {"/".join(file.parts): file for file in self._files.find()}
        return sorted([*_bundles(files), *_single(files)], key=lambda k: (k.number is not None, k.number or 0, k.name))

    def counters(self, kept: Kept) -> Counters:
        """Return what a checkpoint says of how far the training was; nothing of one that is damaged or gone again."""
        if kept.format != "tensorflow":
            return Counters()
        try:
            return self._counted.of(kept.files, lambda: self._read_counters(kept))
        except DamagedError:
            return Counters()

    def _read_counters(self, kept: Kept) -> Counters:
        with self._opened(kept) as files:
            *shards, index = files
            return counters(read_index(index).variables, shards)

    def variables(self, kept: Kept) -> tuple[Variable, ...]:
        """Return what a checkpoint holds, in the order of its keys.

        Raises:
            DamagedError: it is damaged, or gone again.
        """
        with self._opened(kept) as files:
            return _variables(kept, files)

    def distribution(self, kept: Kept, name: str, bins: int, less: Kept | None = None) -> tuple[Variable, Distribution]:
        """Return a variable by its name or key, and how its numbers are distributed: of `less` subtracted, if that is
        given.

        Raises:
            KeyError: a checkpoint has no such variable; the argument is the checkpoint's name.
            DamagedError: a checkpoint is damaged or gone, or the numbers cannot be read.
        """
        with ExitStack() as stack:
            files = stack.enter_context(self._opened(kept))
            variable = _chosen(_variables(kept, files), name, kept.name)
            reading.check_readable(variable)
            if less is None:
                return variable, distribution(lambda: reading.chunks(variable, files), bins)
            old_files = stack.enter_context(self._opened(less))
            old = _chosen(_variables(less, old_files), name, less.name)
            reading.check_readable(old)
            return variable, distribution(lambda: reading.differences(variable, files, old, old_files), bins)

    @contextmanager
    def _opened(self, kept: Kept) -> Generator[list[OpenFile]]:
        with ExitStack() as stack:
            opened = [stack.enter_context(self._files.open(file)) for file in kept.files]
            files = [file for file in opened if file is not None]
            if len(files) < len(opened):
                raise DamagedError("it was removed or replaced while it was read")
            yield files


def is_checkpoint_file(name: str) -> bool:
    """Whether a file of this name is part of a checkpoint."""
    return name.endswith((_INDEX, *_WHOLE)) or _SHARD.fullmatch(name) is not None


def _bundles(files: dict[str, Found]) -> Iterable[Kept]:
    shards: dict[str, dict[int, Found]] = {}
    counts: dict[str, int] = {}
    for path, file in files.items():
        if match := _SHARD.fullmatch(path):
            shards.setdefault(match["prefix"], {})[int(match["number"])] = file
            counts[match["prefix"]] = int(match["count"])
    for path, file in files.items():
        prefix = path.removesuffix(_INDEX)
        its = shards.get(prefix, {})
        if prefix != path and its and sorted(its) == list(range(counts[prefix])):
            yield _kept(prefix, "tensorflow", (*(its[number] for number in sorted(its)), file))


def _single(files: dict[str, Found]) -> Iterable[Kept]:
    for path, file in files.items():
        for ending, kind in _WHOLE.items():
            if path.endswith(ending):
                yield _kept(path, kind, (file,))


def _kept(name: str, kind: Format, files: tuple[Found, ...]) -> Kept:
    stem = next((name.removesuffix(ending) for ending in _WHOLE if name.endswith(ending)), name)
    number = _LAST_NUMBER.search(stem.rpartition("/")[2])
    return Kept(
        name=name,
        format=kind,
        number=int(number[1]) if number else None,
        saved_at_ns=max(file.changed_at_ns for file in files),
        files=files,
    )


def _chosen(variables: tuple[Variable, ...], name: str, checkpoint: str) -> Variable:
    for variable in variables:
        if name in (variable.name, variable.key):
            return variable
    raise KeyError(checkpoint)


def _variables(kept: Kept, files: list[OpenFile]) -> tuple[Variable, ...]:
    if kept.format == "tensorflow":
        *shards, index = files
        return _with_names(read_index(index), shards).variables
    return _listed_by_child(kept.format, files[0])


def _with_names(index: Index, shards: list[OpenFile]) -> Index:
    graph = index.variable(OBJECT_GRAPH)
    if graph is None or len(graph.pieces) != 1 or graph.bytes > _MAX_GRAPH_BYTES:
        return index
    piece = graph.pieces[0]
    if piece.shard >= len(shards):
        raise DamagedError(f"shard {piece.shard} is missing")
    source: Source = shards[piece.shard]
    return named(index, first_string(exactly(source, piece.offset, piece.size)))


def _listed_by_child(kind: Format, file: OpenFile) -> tuple[Variable, ...]:
    """Return what a file of Keras holds; see `gpuq_daemon.collectors.hdf5_list` for why a child reads it."""
    try:
        child = subprocess.run(
            [sys.executable, "-P", "-m", "gpuq_daemon.collectors.hdf5_list", kind],
            stdin=file.descriptor,
            capture_output=True,
            timeout=_LISTING_S,
            check=False,
            env={"PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"},
        )
    except subprocess.TimeoutExpired as error:
        raise DamagedError("listing it took too long") from error
    if child.returncode != 0 or len(child.stdout) > _LONGEST_LISTING:
        raise DamagedError(child.stderr.decode(errors="replace").strip()[-300:] or "its format cannot be read")
    return tuple(_variable(told) for told in msgspec.json.decode(child.stdout, type=list[_Told]))


def _variable(told: _Told) -> Variable:
    pieces = () if told.offset is None else (Piece(shard=0, offset=told.offset, size=told.size),)
    return Variable(name=told.name, key=told.key, dtype=told.dtype, shape=told.shape, pieces=pieces)
