"""Event files made by hand, so that a test can say every byte of them."""

from __future__ import annotations

import struct

from gpuq_daemon.eventfile.tfrecord import masked_crc


def a_record(payload: bytes) -> bytes:
    """Return `payload` framed as TFRecord."""
    length = struct.pack("<Q", len(payload))
    return b"".join((length, struct.pack("<I", masked_crc(length)), payload, struct.pack("<I", masked_crc(payload))))


def a_varint(value: int) -> bytes:
    """Return an int64 as protobuf writes it."""
    value &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def a_message(number: int, content: bytes) -> bytes:
    """Return a length-delimited field."""
    return a_varint(number << 3 | 2) + a_varint(len(content)) + content


def an_event(wall_time: float, step: int, *values: bytes) -> bytes:
    """Return an Event whose summary holds the Summary.Value messages `values`."""
    summary = b"".join(a_message(1, value) for value in values)
    step_field = b"\x10" + a_varint(step) if step else b""
    return b"\x09" + struct.pack("<d", wall_time) + step_field + a_message(5, summary)


def a_simple_value(tag: str, value: float) -> bytes:
    """Return a Summary.Value as TF1 writes a scalar."""
    return a_message(1, tag.encode()) + b"\x15" + struct.pack("<f", value)


def a_tensor_value(tag: str, dtype: int, content: bytes, shape: tuple[int, ...] = (), plugin: str = "") -> bytes:
    """Return a Summary.Value with a tensor; `content` is what follows its number type and shape."""
    dims = b"".join(a_message(2, b"\x08" + a_varint(size)) for size in shape)
    tensor = b"\x08" + a_varint(dtype) + a_message(2, dims) + content
    metadata = a_message(9, a_message(1, a_message(1, plugin.encode()))) if plugin else b""
    return a_message(1, tag.encode()) + metadata + a_message(8, tensor)


def a_scalar(tag: str, step: int, value: float, wall_time: float = 1.7e9) -> bytes:
    """Return the Event that `tf.summary.scalar` writes."""
    packed = a_message(4, struct.pack("<f", value))
    return an_event(wall_time, step, a_tensor_value(tag, 1, packed, plugin="scalars"))


def a_histogram(tag: str, step: int, *rows: float) -> bytes:
    """Return the Event that `tf.summary.histogram` writes, of rows of left edge, right edge and count."""
    content = a_message(4, struct.pack(f"<{len(rows)}d", *rows))
    value = a_tensor_value(tag, 2, content, (len(rows) // 3, 3), "histograms")
    return an_event(1.7e9 + step, step, value)


def a_file(*payloads: bytes) -> bytes:
    """Return an event file of these events."""
    return b"".join(a_record(payload) for payload in payloads)
