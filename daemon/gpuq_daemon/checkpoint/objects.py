"""The human names of variables, from the graph of objects that TensorFlow keeps in each of its newer checkpoints.

Keras 3 saves a kernel as "optimizer/_trainable_variables/2/.ATTRIBUTES/VARIABLE_VALUE"; its name stands in the graph.

Source: tensorflow/core/protobuf/trackable_object_graph.proto; strings as in tensor_bundle.cc, WriteStringTensor: the
length of each as a varint, the checksum of the lengths, then the strings.
"""

from __future__ import annotations

from collections.abc import Iterator

from gpuq_daemon.checkpoint.source import DamagedError
from gpuq_daemon.eventfile.protowire import BYTES, MalformedError, fields, varint

SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
_NODES, _ATTRIBUTES = 1, 2
_FULL_NAME, _CHECKPOINT_KEY = 2, 3
_CHECKSUM_BYTES = 4


def first_string(data: bytes) -> bytes:
    """Return the first string of a string tensor's bytes.

    Raises:
        DamagedError: it is cut off. Only a tensor of one string is read.
    """
    try:
        size, at = varint(data, 0, len(data))
    except MalformedError as error:
        raise DamagedError("a string has no length") from error
    start = at + _CHECKSUM_BYTES
    if start + size > len(data):
        raise DamagedError("a string is cut off")
    return data[start : start + size]


def names_of_keys(graph: bytes) -> dict[str, str]:
    """Return the full name of each key of the graph, empty where it has none.

    Raises:
        DamagedError: the graph is no TrackableObjectGraph.
    """
    try:
        return dict(_named(graph))
    except MalformedError as error:
        raise DamagedError(f"the object graph is damaged: {error}") from error


def _named(graph: bytes) -> Iterator[tuple[str, str]]:
    for number, wire, start, end in fields(graph, 0, len(graph)):
        if (number, wire) != (_NODES, BYTES):
            continue
        for inner, inner_wire, at, stop in fields(graph, start, end):
            if (inner, inner_wire) == (_ATTRIBUTES, BYTES):
                words = {n: graph[a:b].decode(errors="replace") for n, w, a, b in fields(graph, at, stop) if w == BYTES}
                key = words.get(_CHECKPOINT_KEY, "")
                yield key, words.get(_FULL_NAME, "")
