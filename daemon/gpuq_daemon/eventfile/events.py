"""Points out of Event messages.

Source: TensorFlow, tensorflow/core/util/event.proto and tensorflow/core/framework/summary.proto.
"""

from __future__ import annotations

import struct
from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Literal, NamedTuple, TypeAlias

from gpuq_daemon.eventfile import histograms, notes
from gpuq_daemon.eventfile.protowire import (
    BYTES,
    FIXED64,
    VARINT,
    Field,
    MalformedError,
    fields,
    signed,
)
from gpuq_daemon.eventfile.tensors import DOUBLE, FLOAT, read_tensor
from gpuq_daemon.series.notes import Hparams, Note, Picture, Text
from gpuq_daemon.series.points import HistogramPoint, ScalarPoints

MAX_TAG_BYTES = 1024
_DOUBLE, _FLOAT = struct.Struct("<d"), struct.Struct("<f")
_WALL_TIME_KEY, _STEP_KEY, _SUMMARY_KEY = 0x09, 0x10, 0x2A
_STEP_AT = 10
_START = 1
_MAX_TEMPLATES = 8192
_WIDEST_SCALAR = _DOUBLE.size
_PLUGINS = {b"scalars", b"histograms", b""}
_MOST_PLUGINS = 4096
_PLUGIN_OF = {Text: notes.TEXT, Picture: notes.IMAGES, Hparams: notes.HPARAMS}

Content: TypeAlias = Text | Hparams | Picture

_Template: TypeAlias = tuple[int, int, Literal["f", "d"], dict[bytes, str]]
"""Where in a summary its numbers lie, in how many bytes, their type, and the tag by the summary's other bytes.

One number is a scalar, threes are a distribution.
"""


class _Value(NamedTuple):
    """A Summary.Value that holds no number: its tag, its plugin and what that has to say, and what it holds."""

    tag: str
    plugin: bytes
    more: bytes
    content: Field | None


@dataclass(slots=True, kw_only=True)
class Points:
    """What a run of events holds, by tag, in the order of the file. `malformed` counts refused events."""

    scalars: defaultdict[str, ScalarPoints] = field(default_factory=lambda: defaultdict(ScalarPoints))
    histograms: defaultdict[str, list[HistogramPoint]] = field(default_factory=lambda: defaultdict(list))
    notes: list[Note] = field(default_factory=list[Note])
    malformed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """One number of a summary; its raw bytes are `width` bytes at `at`, None if it is not stored as such."""

    tag: str
    value: float
    at: int | None = None
    width: int = 0

    @property
    def code(self) -> Literal["f", "d"]:
        """What it is stored as, where it is stored as such."""
        return "f" if self.width == 4 else "d"


@dataclass(frozen=True, slots=True, kw_only=True)
class Buckets:
    """A distribution of a summary; `at` and `width` as of a `Scalar`, for all numbers of its rows."""

    tag: str
    buckets: histograms.Buckets
    at: int | None = None
    width: int = 0
    code: Literal["f", "d"] = "d"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event; `is_start` marks the beginning of a TF1 session, whose steps may go back."""

    wall_time: float
    step: int
    scalars: tuple[Scalar, ...] = ()
    histograms: tuple[Buckets, ...] = ()
    notes: tuple[tuple[str, Content], ...] = ()
    is_start: bool = False


def read_event(payload: bytes, plugins: Mapping[str, bytes] | None = None) -> Event:
    """Return what an Event message says; graphs, sounds and other plugins' data are left out.

    `plugins` are those of tags whose events may name none.

    Raises:
        MalformedError: the bytes are no Event, or its wall time is no time.
    """
    wall_time, step, is_start = 0.0, 0, False
    scalars: list[Scalar] = []
    buckets: list[Buckets] = []
    others: list[tuple[str, Content]] = []
    for number, wire, start, end in fields(payload, 0, len(payload)):
        if number == 1 and wire == FIXED64:
            wall_time = _DOUBLE.unpack_from(payload, start)[0]
        elif number == 2 and wire == VARINT:
            step = signed(start)
        elif number == 5 and wire == BYTES:
            for inner, inner_wire, value_start, value_end in fields(payload, start, end):
                if inner == 1 and inner_wire == BYTES:
                    value = _read_value(payload, value_start, value_end, scalars, buckets)
                    if value is not None:
                        others += _notes(payload, value, plugins or {})
        elif number == 7 and wire == BYTES:
            is_start = any(f[:3] == (1, VARINT, _START) for f in fields(payload, start, end))
    if not isfinite(wall_time):
        raise MalformedError("an event's wall time is not finite")
    return Event(
        wall_time=wall_time,
        step=step,
        scalars=tuple(scalars),
        histograms=tuple(buckets),
        notes=tuple(others),
        is_start=is_start,
    )


def _read_value(
    data: bytes,
    start: int,
    end: int,
    scalars: list[Scalar],
    buckets: list[Buckets],
) -> _Value | None:
    """Append the numbers that one Summary.Value holds; return it if it may hold something else."""
    tag, plugin, more = "", b"", b""
    content: Field | None = None
    for found in fields(data, start, end):
        number, wire, at, stop = found
        if number == 1 and wire == BYTES:
            if stop - at > MAX_TAG_BYTES:
                raise MalformedError("a tag is too long")
            tag = data[at:stop].decode("utf-8", "replace")
        elif number in (2, 4, 5, 8):
            content = found
        elif number == 9 and wire == BYTES:
            plugin, more = _plugin(data, at, stop)
    match content:
        case (2, 5, at, _):  # simple_value; 5 is FIXED32
            scalars.append(Scalar(tag=tag, value=_FLOAT.unpack_from(data, at)[0], at=at, width=4))
        case (5, 2, at, stop):  # histo; 2 is BYTES
            buckets.append(Buckets(tag=tag, buckets=histograms.from_proto(data, at, stop)))
        case (8, 2, at, stop) if plugin in _PLUGINS:
            if not _read_tensor_value(data, at, stop, tag, scalars, buckets):
                return _Value(tag, plugin, more, content)
        case _:
            return _Value(tag, plugin, more, content)
    return None


def _notes(data: bytes, value: _Value, plugins: Mapping[str, bytes]) -> Iterator[tuple[str, Content]]:
    """Yield what is no number in a Summary.Value."""
    plugin = value.plugin or plugins.get(value.tag, b"")
    if plugin == notes.HPARAMS:
        found = notes.read_hparams(value.more)
        if found is not None:
            yield value.tag, found
        return
    match value.content:
        case (4, 2, at, stop):
            yield value.tag, notes.read_image(data, at, stop)
        case (8, 2, at, stop) if plugin in notes.PLUGINS or not plugin:
            found = notes.read_tensor(data, at, stop, plugin)
            for one in found if isinstance(found, tuple) else () if found is None else (found,):
                yield value.tag, one
        case _:
            return


def _read_tensor_value(
    data: bytes,
    start: int,
    end: int,
    tag: str,
    scalars: list[Scalar],
    buckets: list[Buckets],
) -> bool:
    """Append a tensor: one number is a scalar, rows of three are a histogram. False if it holds no numbers.

    The shape decides, since writers may leave the plugin's name out of all but a tag's first event.
    """
    tensor = read_tensor(data, start, end)
    if tensor is None:
        return False
    if len(tensor.values) == 1:
        width = {FLOAT: 4, DOUBLE: 8}.get(tensor.dtype, 0)
        at = tensor.values_at if width else None
        scalars.append(Scalar(tag=tag, value=float(tensor.values[0]), at=at, width=width))
    elif len(tensor.shape) == 2 and tensor.shape[1] == 3 and tensor.dtype in (FLOAT, DOUBLE):
        found = histograms.from_rows(array("d", tensor.values))
        at = tensor.values_at if tensor.values else None
        is_float = tensor.dtype == FLOAT
        width = len(tensor.values) * (4 if is_float else 8)
        buckets.append(Buckets(tag=tag, buckets=found, at=at, width=width, code="f" if is_float else "d"))
    return True


def _plugin(data: bytes, start: int, end: int) -> tuple[bytes, bytes]:
    """Return the plugin's name in a SummaryMetadata, and what it has to say."""
    name = more = b""
    for number, wire, at, stop in fields(data, start, end):
        if number == 1 and wire == BYTES:
            for inner, inner_wire, inner_start, inner_end in fields(data, at, stop):
                if inner == 1 and inner_wire == BYTES:
                    name = data[inner_start:inner_end]
                elif inner == 2 and inner_wire == BYTES:
                    more = data[inner_start:inner_end]
    return name, more


def scalar_layout(payload: bytes) -> tuple[int, tuple[tuple[str, int, int], ...]] | None:
    """Return how an event that holds only scalars of fixed width is laid out, None for any other event.

    That is the number of bytes of its step, and tag, place and width of each number. Wall time is its first field, the
    step, unless it is 0, its second, and the summary its last.
    """
    summary_at, _ = _after_step(payload)
    if not summary_at or not _ends_with_summary(payload, summary_at):
        return None
    try:
        event = read_event(payload)
    except MalformedError:
        return None
    if not event.scalars or event.histograms or event.notes or any(s.at is None for s in event.scalars):
        return None
    step_bytes = summary_at - _STEP_AT if summary_at > _STEP_AT else 0
    return step_bytes, tuple((s.tag, s.at or 0, s.width) for s in event.scalars)


class EventDecoder:
    """Decodes the events of one file, and remembers what its scalar events look like.

    A TF2 scalar event repeats everything but wall time, step and value. What is left of an event without
    those three is looked up; only a form not met before is parsed field by field.
    """

    __slots__ = ("_count", "_plugins", "_templates")

    def __init__(self) -> None:
        # By the length of the summary, since in a file few lengths have more than one template.
        self._templates: dict[int, list[_Template]] = {}
        self._count = 0
        self._plugins: dict[str, bytes] = {}

    def decode(self, payload: bytes, into: Points, place: int = 0) -> None:
        """Add what one event holds to `into`; a malformed event adds only to its count.

        `place` is where in its file the payload begins.
        """
        summary_at, step = _after_step(payload)
        for at, width, code, tags in self._templates.get(len(payload) - summary_at, ()):
            value_at = summary_at + at
            tag = tags.get(payload[summary_at:value_at] + payload[value_at + width :])
            wall_time = _DOUBLE.unpack_from(payload, 1)[0]
            if tag is not None and isfinite(wall_time):
                if width <= _WIDEST_SCALAR:
                    number = (_FLOAT if code == "f" else _DOUBLE).unpack_from(payload, value_at)[0]
                    into.scalars[tag].append((step, wall_time, number))
                else:
                    edges, counts = histograms.from_bytes(payload[value_at : value_at + width], code)
                    into.histograms[tag].append(HistogramPoint(step, wall_time, edges, counts))
                return
        try:
            event = read_event(payload, self._plugins)
        except MalformedError:
            into.malformed += 1
            return
        self._add(event, into, place)
        if summary_at and len(event.scalars) + len(event.histograms) == 1 and not event.notes:
            self._learn(payload, summary_at, event)

    def _add(self, event: Event, into: Points, place: int) -> None:
        for scalar in event.scalars:
            into.scalars[scalar.tag].append((event.step, event.wall_time, scalar.value))
        for one in event.histograms:
            edges, counts = one.buckets
            point = HistogramPoint(step=event.step, wall_time=event.wall_time, edges=edges, counts=counts)
            into.histograms[one.tag].append(point)
        for tag, content in event.notes:
            if isinstance(content, Picture):
                content = replace(content, at=place + content.at)
            if len(self._plugins) < _MOST_PLUGINS:
                self._plugins[tag] = _PLUGIN_OF[type(content)]
            into.notes.append(Note(tag=tag, step=event.step, wall_time=event.wall_time, content=content))

    def _learn(self, payload: bytes, summary_at: int, event: Event) -> None:
        """Remember an event whose summary, and nothing after it, holds one number, or one table, of fixed width."""
        value = event.scalars[0] if event.scalars else event.histograms[0]
        if value.at is None or not _ends_with_summary(payload, summary_at):
            return
        if self._count >= _MAX_TEMPLATES:
            self._templates.clear()
            self._count = 0
        at = value.at - summary_at
        templates = self._templates.setdefault(len(payload) - summary_at, [])
        for template in templates:
            if template[:3] == (at, value.width, value.code):
                break
        else:
            template = (at, value.width, value.code, dict[bytes, str]())
            templates.append(template)
        template[3][payload[summary_at : value.at] + payload[value.at + value.width :]] = value.tag
        self._count += 1


def _after_step(payload: bytes) -> tuple[int, int]:
    """Return where the field after wall time and step starts, and the step; (0, 0) if those are not first."""
    if len(payload) < 32 or payload[0] != _WALL_TIME_KEY:
        return 0, 0
    if payload[9] != _STEP_KEY:
        return 9, 0
    step = shift = 0
    for at in range(_STEP_AT, _STEP_AT + 9):  # nine bytes hold every step that is not negative
        byte = payload[at]
        step |= (byte & 0x7F) << shift
        if byte < 0x80:
            return at + 1, step
        shift += 7
    return 0, 0


def _ends_with_summary(payload: bytes, start: int) -> bool:
    """Whether the one field from `start` to the end is the summary."""
    if payload[start] != _SUMMARY_KEY:
        return False
    return next(fields(payload, start, len(payload)))[3] == len(payload)
