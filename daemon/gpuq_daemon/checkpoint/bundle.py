"""TensorFlow's own checkpoints: an `.index` table of entries, `.data-0000x-of-0000y` shards of raw numbers.

Source: tensorflow/core/protobuf/tensor_bundle.proto and tensorflow/core/util/tensor_bundle/tensor_bundle.cc.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from gpuq_daemon.checkpoint.objects import SUFFIX, names_of_keys
from gpuq_daemon.checkpoint.slices import Extent, slice_key
from gpuq_daemon.checkpoint.source import DamagedError, Source
from gpuq_daemon.checkpoint.table import entries
from gpuq_daemon.checkpoint.variables import Piece, Shape, Variable
from gpuq_daemon.eventfile.protowire import BYTES, VARINT, MalformedError, fields, signed

OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
MAX_GRAPH_BYTES = 64 * 2**20
MAX_SHARDS = 4096
_MAX_DIMENSIONS = 254  # as many as TensorFlow allows


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """What an `.index` says: the variables by key, and how many shards hold their numbers."""

    shards: int
    variables: tuple[Variable, ...]

    def variable(self, key: str) -> Variable | None:
        """Return the variable of this key."""
        return next((one for one in self.variables if one.key == key), None)


@dataclass(slots=True)
class _Entry:
    dtype: int = 0
    shape: Shape = ()
    shard: int = 0
    offset: int = 0
    size: int = 0
    crc: int = 0
    slices: tuple[tuple[Extent, ...], ...] = ()


def read_index(source: Source) -> Index:
    """Return what an `.index` file says.

    Raises:
        DamagedError: it is damaged, or of a kind that is not read (big-endian).
    """
    found: dict[bytes, _Entry] = {}
    shards = 0
    try:
        for key, value in entries(source):
            if key:
                found[key] = _entry(value)
            else:
                shards = _shards(value)
    except MalformedError as error:
        raise DamagedError(str(error)) from error
    if not 0 < shards <= MAX_SHARDS:
        raise DamagedError(f"the index names {shards} shards")
    slices = {slice_key(_text(key), list(one)) for key, entry in found.items() for one in entry.slices}
    variables = tuple(_variable(key, entry, found, shards) for key, entry in found.items() if key not in slices)
    return Index(shards=shards, variables=variables)


def named(index: Index, graph: bytes) -> Index:
    """Return the index with the names that the object graph (the bytes of `OBJECT_GRAPH`'s string) gives its keys.

    A key that it does not name is called by itself, without its ending; so is one whose name another variable has too.
    """
    names = names_of_keys(graph)
    uses = Counter(names.get(one.key) for one in index.variables)
    return replace(
        index,
        variables=tuple(
            replace(
                one, name=name if (name := names.get(one.key)) and uses[name] == 1 else one.key.removesuffix(SUFFIX)
            )
            for one in index.variables
            if one.key != OBJECT_GRAPH
        ),
    )


def _variable(key: bytes, entry: _Entry, found: dict[bytes, _Entry], shards: int) -> Variable:
    name = _text(key)
    holders = [entry] if not entry.slices else [_slice(name, one, found) for one in entry.slices]
    for holder in holders:
        if not 0 <= holder.shard < shards:
            raise DamagedError(f"{name} lies in shard {holder.shard} of {shards}")
    pieces = tuple(Piece(shard=h.shard, offset=h.offset, size=h.size, crc32c=h.crc) for h in holders)
    return Variable(name=name, key=name, dtype=entry.dtype, shape=entry.shape, pieces=pieces)


def _slice(name: str, extents: tuple[Extent, ...], found: dict[bytes, _Entry]) -> _Entry:
    try:
        return found[slice_key(name, list(extents))]
    except KeyError:
        raise DamagedError(f"a slice of {name} is missing") from None


def _text(key: bytes) -> str:
    return key.decode(errors="replace")


def _shards(value: bytes) -> int:
    shards = 0
    for number, wire, at, _ in fields(value, 0, len(value)):
        if number == 1 and wire == VARINT:
            shards = signed(at)
        elif number == 2 and wire == VARINT and at != 0:
            raise DamagedError("the checkpoint was written on a big-endian machine, which is not read")
    return shards


def _entry(value: bytes) -> _Entry:
    entry = _Entry()
    for number, wire, at, end in fields(value, 0, len(value)):
        match number, wire:
            case 1, 0:
                entry.dtype = at
            case 2, 2:
                entry.shape = _shape(value, at, end)
            case 3, 0:
                entry.shard = at
            case 4, 0:
                entry.offset = at
            case 5, 0:
                entry.size = at
            case 6, 5:
                entry.crc = int.from_bytes(value[at:end], "little")
            case 7, 2:
                entry.slices = (*entry.slices, _extents(value, at, end))
            case _:
                pass
    return entry


def _shape(data: bytes, start: int, end: int) -> Shape:
    return tuple(
        _number(data, at, stop, 1)
        for number, wire, at, stop in fields(data, start, end)
        if (number, wire) == (2, BYTES)
    )[:_MAX_DIMENSIONS]


def _extents(data: bytes, start: int, end: int) -> tuple[Extent, ...]:
    return tuple(
        (_number(data, at, stop, 1), _number(data, at, stop, 2, -1))
        for number, wire, at, stop in fields(data, start, end)
        if (number, wire) == (1, BYTES)
    )


def _number(data: bytes, start: int, end: int, wanted: int, default: int = 0) -> int:
    """Return the int64 that is field `wanted` of a message."""
    for number, wire, at, _ in fields(data, start, end):
        if (number, wire) == (wanted, VARINT):
            default = signed(at)
    return default
