"""Texts, hyperparameters and pictures out of summaries.

Source: TensorFlow, tensorflow/core/framework/summary.proto and tensor.proto; TensorBoard, plugins/text, plugins/image
and plugins/hparams/plugin_data.proto; google/protobuf/struct.proto.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from gpuq_daemon.eventfile.protowire import BYTES, FIXED64, VARINT, fields, numbers, signed
from gpuq_daemon.series.notes import Hparams, Picture, Setting, Text

TEXT, IMAGES, HPARAMS = b"text", b"images", b"hparams"
PLUGINS = frozenset((TEXT, IMAGES, HPARAMS))
MOST_TEXT_BYTES = 16 * 1024
_MOST_STRINGS = 4096
_MOST_PICTURES = 64
_MOST_SETTINGS = 256
_MOST_SETTING = 1024
_MOST_PIXELS = 2**20
_STRING = 7


def read_tensor(data: bytes, start: int, end: int, plugin: bytes) -> Text | tuple[Picture, ...] | None:
    """Return the text, or the pictures, that a tensor of strings in `data[start:end]` holds; None if it is neither.

    A writer of TensorFlow 1 names a tag's plugin with its first event alone; without a name, strings are a text unless
    they begin as pictures do.

    Raises:
        MalformedError: the message is damaged.
    """
    dtype, rows = 0, 0
    strings: list[tuple[int, int]] = []
    for number, wire, at, stop in fields(data, start, end):
        if number == 1 and wire == VARINT:
            dtype = at
        elif number == 2 and wire == BYTES:
            rows = _last_size(data, at, stop)
        elif number == 8 and wire == BYTES and len(strings) < _MOST_STRINGS:
            strings.append((at, stop))
    if dtype != _STRING:
        return None
    if plugin == IMAGES or (plugin != TEXT and _are_pictures(data, strings)):
        return _pictures(data, strings)
    return _text(data, strings, rows)


def read_image(data: bytes, start: int, end: int) -> Picture:
    """Return the picture of a Summary.Image, as TensorFlow 1 writes it.

    Raises:
        MalformedError: the message is damaged.
    """
    sizes, at, size = {1: 0, 2: 0}, start, 0
    for number, wire, begin, stop in fields(data, start, end):
        if number in sizes and wire == VARINT:
            sizes[number] = _pixels(signed(begin))
        elif number == 4 and wire == BYTES:
            at, size = begin, stop - begin
    return Picture(number=0, width=sizes[2], height=sizes[1], at=at, bytes=size)


def read_hparams(data: bytes) -> Hparams | None:
    """Return what an HParamsPluginData says of the beginning of a session, None if it speaks of something else.

    Raises:
        MalformedError: the message is damaged.
    """
    for number, wire, at, stop in fields(data, 0, len(data)):
        if number == 3 and wire == BYTES:
            found = (f for f in fields(data, at, stop) if f[:2] == (1, BYTES))
            pairs = (_setting(data, begin, end) for _, _, begin, end in islice(found, _MOST_SETTINGS))
            return Hparams(values=dict(sorted(pairs)))
    return None


def _setting(data: bytes, start: int, end: int) -> tuple[str, Setting]:
    """Return an entry of a map from names to google.protobuf.Value."""
    name, value = "", None
    for number, wire, at, stop in fields(data, start, end):
        if number == 1 and wire == BYTES:
            name = _plain(data[at : min(stop, at + _MOST_SETTING)])
        elif number == 2 and wire == BYTES:
            value = _value(data, at, stop)
    return name, value


def _value(data: bytes, start: int, end: int) -> Setting:
    value: Setting = None
    for field in fields(data, start, end):
        match field:
            case (2, wire, _, _) if wire == FIXED64:
                (value,) = numbers(data, field, "d")
            case (3, wire, at, stop) if wire == BYTES:
                value = _plain(data[at : min(stop, at + _MOST_SETTING)])
            case (4, wire, at, _) if wire == VARINT:
                value = bool(at)
            case _:
                pass  # null, a list or a structure: TensorBoard writes none
    return value


def _text(data: bytes, strings: list[tuple[int, int]], columns: int) -> Text:
    """Return strings as lines; those of a table side by side, `columns` in a line."""
    parts, size = list[str](), 0
    for at, stop in strings:
        parts.append(_plain(data[at : min(stop, at + MOST_TEXT_BYTES - size)]))
        size += stop - at
        if size >= MOST_TEXT_BYTES:
            break
    lines = [" | ".join(parts[i : i + columns]) for i in range(0, len(parts), columns)] if columns > 1 else parts
    return Text(text="\n".join(lines), is_cut=size > MOST_TEXT_BYTES or len(parts) < len(strings))


def _are_pictures(data: bytes, strings: list[tuple[int, int]]) -> bool:
    """Whether strings are width, height and files of pictures."""
    if len(strings) < 3:
        return False
    first = data[slice(*strings[2])][:12]
    is_file = first.startswith((b"\x89PNG", b"GIF8", b"\xff\xd8\xff", b"BM")) or first[8:] == b"WEBP"
    return is_file and all(_number(data, one) > 0 for one in strings[:2])


def _pictures(data: bytes, strings: list[tuple[int, int]]) -> tuple[Picture, ...]:
    if len(strings) < 2:
        return ()
    width, height = (_number(data, one) for one in strings[:2])
    return tuple(
        Picture(number=number, width=width, height=height, at=at, bytes=stop - at)
        for number, (at, stop) in enumerate(strings[2 : 2 + _MOST_PICTURES])
    )


def _number(data: bytes, where: tuple[int, int]) -> int:
    text = data[slice(*where)]
    return _pixels(int(text)) if len(text) <= 8 and text.isdigit() else 0


def _pixels(count: int) -> int:
    return count if 0 < count <= _MOST_PIXELS else 0


def _last_size(data: bytes, start: int, end: int) -> int:
    """Return the last size of a shape of two dimensions, 0 of any other."""
    sizes = list(_sizes(data, start, end))
    return sizes[1] if len(sizes) == 2 else 0


def _sizes(data: bytes, start: int, end: int) -> Iterator[int]:
    for number, wire, at, stop in fields(data, start, end):
        if number == 2 and wire == BYTES:
            yield next((signed(value) for n, w, value, _ in fields(data, at, stop) if (n, w) == (1, VARINT)), 0)


def _plain(data: bytes) -> str:
    """Return bytes as text that every database takes: no surrogate, no NUL."""
    return data.decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
