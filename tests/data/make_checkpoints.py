"""Write small checkpoints with TensorFlow and Keras themselves, and beside them what their own readers say is in them.

Run as `python make_checkpoints.py FOLDER`. Makes one folder a format and `expected.json`:
`{checkpoint: {key: [dtype, shape, numbers]}}`, NaN and infinities as text, without variables that are no numbers.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import numpy as np

tf: Any = import_module("tensorflow")  # it has no types
keras: Any = import_module("keras")
h5py: Any = import_module("h5py")

TYPES = ("float16", "bfloat16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32",
         "uint64", "bool", "complex64")  # fmt: skip


def write_types(folder: Path) -> None:
    """One variable of every type, odd numbers among them, and one that is a string."""
    values = [0, 1, 2, 0, 3, 7]
    variables = {
        name: tf.Variable(tf.cast(tf.reshape(tf.constant(values, tf.float64), (2, 3)), name)) for name in TYPES
    }
    odd = tf.Variable(tf.constant([float("nan"), float("inf"), -float("inf"), -0.0, 0.0], tf.float32))
    scalar = tf.Variable(3.5)
    empty = tf.Variable(tf.zeros((0, 4)))
    text = tf.Variable(["one", "two"])
    checkpoint = tf.train.Checkpoint(**variables, odd=odd, scalar=scalar, empty=empty, text=text)
    tf.train.CheckpointManager(checkpoint, folder, max_to_keep=3).save(checkpoint_number=7)


def write_keras(folder: Path) -> Any:
    """A Keras 3 model with its optimizer, after a step of training; all three of its formats."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3, name="first"), keras.layers.Dense(2, name="second")]
    )
    model.compile(optimizer="adam", loss="mse")
    model.fit(np.ones((8, 4)), np.ones((8, 2)), verbose=0)
    for step in (1, 20):
        tf.train.Checkpoint(model=model, optimizer=model.optimizer).write(str(folder / f"ckpt-{step}"))
        model.save_weights(folder / f"weights-{step}.weights.h5")
        model.save(folder / f"model-{step}.keras")
        model.fit(np.ones((8, 4)), np.ones((8, 2)), verbose=0)


def write_version_1(folder: Path) -> None:
    """A partitioned variable, and one of two shards, as TensorFlow 1 saves them."""
    folder.mkdir()
    v1 = tf.compat.v1
    with tf.Graph().as_default():
        devices = ("/cpu:0", "/cpu:1")
        with v1.variable_scope("part", partitioner=v1.fixed_size_partitioner(3, axis=1)):
            v1.get_variable("wide", initializer=v1.random_uniform_initializer(seed=3), shape=(4, 200))
        for number, device in enumerate(devices):
            with tf.device(device):
                v1.get_variable(f"on{number}", initializer=tf.range(5.0) + number)
        saver = v1.train.Saver(sharded=True)
        with v1.Session(config=v1.ConfigProto(device_count={"CPU": 2})) as session:
            session.run(v1.global_variables_initializer())
            saver.save(session, str(folder / "model.ckpt"), global_step=120, write_meta_graph=False)


def plain(numbers: Any) -> list[Any]:
    """Return numbers as JSON takes them."""
    return [value if np.isfinite(value) else str(value) for value in np.asarray(numbers).ravel().tolist()]


def read_bundle(prefix: Path) -> dict[str, Any]:
    """Return what TensorFlow reads."""
    reader = tf.train.load_checkpoint(str(prefix))
    types = reader.get_variable_to_dtype_map()
    return {
        key: [types[key].name, shape, plain(reader.get_tensor(key).astype("float64"))]
        for key, shape in sorted(reader.get_variable_to_shape_map().items())
        if types[key].is_integer or types[key].is_floating or types[key].is_bool
    }


def read_h5(file: Any) -> dict[str, Any]:
    """Return what h5py reads, by path."""
    found: dict[str, Any] = {}

    def visit(path: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[path] = [str(item.dtype), list(item.shape), plain(item[()])]

    file.visititems(visit)
    return found


def main(folder: Path) -> None:
    """Write everything below `folder`."""
    write_types(folder / "types")
    (folder / "keras").mkdir()
    write_keras(folder / "keras")
    write_version_1(folder / "version_1")
    expected: dict[str, Any] = {}
    for index in sorted(folder.rglob("*.index")):
        expected[str(index.relative_to(folder))] = read_bundle(index.with_suffix(""))
    for file in sorted(folder.rglob("*.weights.h5")):
        with h5py.File(file) as opened:
            expected[str(file.relative_to(folder))] = read_h5(opened)
    (folder / "expected.json").write_text(json.dumps(expected))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
