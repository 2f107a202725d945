"""Write small event files with TensorFlow itself, and beside them what its own reader says is in them.

Run as `python make_event_files.py FOLDER`. Makes one folder a kind of writer and `expected.json`:
`{file: {"scalars": {tag: [[step, wall_time, value]]},
         "histograms": {tag: [[step, wall_time, edges, counts]]},
         "notes": [[tag, step, wall_time, content]]}}`,
content a text, `{name: hyperparameter}`, or `[width, height, SHA-256]` of a picture.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TF_USE_LEGACY_KERAS"] = "1"

import numpy as np

tf: Any = import_module("tensorflow")  # it has no types


def write_scalars(folder: Path) -> None:
    """Scalars as a custom training loop writes them, with steps of every varint length and odd values."""
    writer = tf.summary.create_file_writer(str(folder))
    with writer.as_default():
        for step in (0, 1, 2, 127, 128, 300, 16384, 2**31, 2**40):
            tf.summary.scalar("loss", 2.5 / (1 + step), step=step)
            tf.summary.scalar("accuracy", float(step % 7), step=step)
        tf.summary.scalar("odd", float("nan"), step=1)
        tf.summary.scalar("odd", float("inf"), step=2)
        tf.summary.scalar("odd", -0.0, step=3)
        tf.summary.text("note", "not a number", step=1)
        tf.summary.image("picture", tf.zeros((1, 2, 2, 3)), step=1)
        # Without metadata and in every number type, as programs that bypass tf.summary.scalar write them.
        for dtype in (tf.float16, tf.bfloat16, tf.float32, tf.float64, tf.int8, tf.int32, tf.int64, tf.uint8):
            tf.summary.write(f"typed/{dtype.name}", tf.constant(3, dtype), step=5)
        tf.summary.write("typed/precise", tf.constant(1 / 3, tf.float64), step=5)
        tf.summary.write("typed/long", tf.constant(2**40 + 1, tf.int64), step=5)
    writer.close()


def write_histograms(folder: Path) -> None:
    """TF2 histograms: spread, of one value only, and empty."""
    writer = tf.summary.create_file_writer(str(folder))
    values = np.random.default_rng(1).normal(size=1000)
    with writer.as_default():
        for step in range(3):
            tf.summary.histogram("weights", values * (step + 1), step=step)
        tf.summary.histogram("one_value", tf.ones((10,)), step=0, buckets=4)
        tf.summary.histogram("empty", tf.zeros((0,)), step=0, buckets=4)
    writer.close()


def write_keras(folder: Path) -> None:
    """What `tf_keras` and its TensorBoard callback leave: runs train and validation."""
    keras: Any = import_module("tf_keras")

    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.layers.Dense(2, input_shape=(3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = np.ones((16, 3), "float32"), np.ones((16, 1), "float32")
    callback = keras.callbacks.TensorBoard(str(folder), histogram_freq=1, write_graph=False, update_freq="epoch")
    model.fit(x, y, epochs=3, batch_size=4, validation_data=(x, y), verbose=0, callbacks=[callback])


def write_version_1(folder: Path) -> None:
    """The TF1 writer: simple values, HistogramProto, several values in one event, a session start."""
    v1: Any = tf.compat.v1
    with v1.Graph().as_default():
        writer = v1.summary.FileWriter(str(folder))
        writer.add_session_log(v1.SessionLog(status=v1.SessionLog.START), 0)
        data = v1.placeholder(tf.float32, (None,))
        merged = v1.summary.merge(
            [v1.summary.scalar("loss", tf.reduce_mean(data)), v1.summary.histogram("weights", data)]
        )
        with v1.Session() as session:
            for step in range(3):
                values = np.random.default_rng(step).normal(size=100)
                writer.add_summary(session.run(merged, {data: values}), step)
        for step in range(3):
            value = v1.Summary.Value(tag="plain", simple_value=step / 3)
            writer.add_summary(v1.Summary(value=[value]), step)
        writer.close()


def write_notes(folder: Path) -> None:
    """Texts, pictures and hyperparameters, of both TensorFlows."""
    hparams: Any = import_module("tensorboard.plugins.hparams.api")
    writer = tf.summary.create_file_writer(str(folder / "2"))
    with writer.as_default():
        hparams.hparams({"rate": 0.125, "layers": 3, "optimizer": "adam", "is_big": True, "größe": "1\u00d72"})
        for step in range(3):
            tf.summary.text("note", f"**step** {step}", step=step)
            tf.summary.image("digits", tf.random.stateless_uniform((2, 5, 7, 1), (1, step)), step=step, max_outputs=2)
        tf.summary.text("lines", ["one", "two"], step=1)
        tf.summary.text("table", [["a", "b", "c"], ["1", "2", "3"]], step=1)
        tf.summary.scalar("loss", 0.5, step=1)
    writer.close()
    v1: Any = tf.compat.v1
    with v1.Graph().as_default(), v1.Session() as session:
        writer = v1.summary.FileWriter(str(folder / "1"))
        said = v1.placeholder(tf.string, ())
        merged = v1.summary.merge(
            [v1.summary.text("said", said), v1.summary.image("drawn", tf.zeros((2, 3, 4, 3)), max_outputs=2)]
        )
        for step in range(2):  # the second event names no plugin
            writer.add_summary(session.run(merged, {said: f"at {step}"}), step)
        writer.close()


def picture_of(data: bytes, width: int, height: int) -> list[Any]:
    """Return what is expected of a picture."""
    return [width, height, hashlib.sha256(data).hexdigest()]


def strings_of(value: Any, plugin: str) -> list[Any]:
    """Return what a tensor of strings holds, as notes."""
    array = tf.make_ndarray(value.tensor)
    if plugin == "images":
        width, height, *files = array.tolist()
        return [picture_of(data, int(width), int(height)) for data in files]
    lines = [" | ".join(word.decode() for word in np.atleast_1d(row).tolist()) for row in np.atleast_1d(array)]
    return ["\n".join(lines)]


def hparams_of(value: Any) -> list[Any]:
    """Return the hyperparameters that a session begins with; nothing for another kind of message."""
    proto: Any = import_module("tensorboard.plugins.hparams.plugin_data_pb2")
    data = proto.HParamsPluginData.FromString(value.metadata.plugin_data.content)
    if data.WhichOneof("data") != "session_start_info":
        return []
    given = data.session_start_info.hparams
    return [{name: getattr(given[name], given[name].WhichOneof("kind")) for name in sorted(given)}]


def histogram_of(proto: Any) -> tuple[list[float], list[float]]:
    """Return edges and counts of a HistogramProto; no edge lies outside the data, as TensorBoard draws it."""
    inner = [min(max(limit, proto.min), proto.max) for limit in proto.bucket_limit[:-1]]
    return [proto.min, *inner, proto.max], list(proto.bucket)


def expected(file: Path) -> dict[str, Any]:
    """Return every number in an event file as TensorFlow's protobuf classes decode it."""
    scalars: dict[str, list[Any]] = {}
    histograms: dict[str, list[Any]] = {}
    notes: list[Any] = []
    plugins: dict[str, str] = {}
    for record in tf.data.TFRecordDataset([str(file)]):
        event = tf.compat.v1.Event.FromString(record.numpy())
        for value in event.summary.value:
            at = [event.step, event.wall_time]
            kind = value.WhichOneof("value")
            plugin = value.metadata.plugin_data.plugin_name or plugins.get(value.tag, "")
            plugins[value.tag] = plugin
            if plugin == "hparams":
                notes += [[value.tag, *at, one] for one in hparams_of(value)]
            elif kind == "image":
                image = value.image
                notes.append([value.tag, *at, picture_of(image.encoded_image_string, image.width, image.height)])
            elif kind == "tensor" and value.tensor.dtype == tf.string.as_datatype_enum:
                notes += [[value.tag, *at, one] for one in strings_of(value, plugin)]
            elif kind == "simple_value":
                scalars.setdefault(value.tag, []).append([*at, value.simple_value])
            elif kind == "histo":
                histograms.setdefault(value.tag, []).append([*at, *histogram_of(value.histo)])
            elif kind == "tensor" and value.tensor.dtype != tf.string.as_datatype_enum:
                array = tf.make_ndarray(value.tensor).astype("float64")
                if array.size == 1:
                    scalars.setdefault(value.tag, []).append([*at, array.item()])
                elif array.ndim == 2 and array.shape[1] == 3:
                    edges = [*array[:1, 0].tolist(), *array[:, 1].tolist()]
                    histograms.setdefault(value.tag, []).append([*at, edges, array[:, 2].tolist()])
    return {"scalars": scalars, "histograms": histograms, "notes": notes}


def main(folder: Path) -> None:
    """Write all files and what is in them."""
    write_scalars(folder / "scalars")
    write_histograms(folder / "histograms")
    write_keras(folder / "keras")
    write_version_1(folder / "version_1")
    write_notes(folder / "notes")
    files = sorted(folder.rglob("events.out.tfevents.*"))
    golden = {str(file.relative_to(folder)): expected(file) for file in files}
    (folder / "expected.json").write_text(json.dumps(golden, indent=None) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
