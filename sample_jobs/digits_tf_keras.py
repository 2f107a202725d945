#GPUQ --workers 2 --gpus-per-worker 1
"""Handwritten digits with `model.fit` on several workers: Keras 3 cannot do this, tf_keras (Keras 2) can.

    gpuq enqueue sample_jobs/digits_tf_keras.py -- --epochs 10

The tags `epoch_*` are means over all workers; `batch_*`, if asked for, would be sums.
"""

import argparse
import os

import numpy as np
import tensorflow as tf
import tf_keras
from sklearn.datasets import load_digits


def main_fun(args, ctx):
    parser = argparse.ArgumentParser(prog=args[0])
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args(args[1:])

    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    pixels, labels = load_digits(return_X_y=True)
    pixels = (pixels / 16).astype("float32")
    order = np.random.default_rng(7).permutation(len(labels))
    train, test = order[:1500], order[1500:]
    data = tf.data.Dataset.from_tensor_slices((pixels[train], labels[train])).shuffle(1500, seed=7).batch(64)
    sharing = tf.data.Options()
    sharing.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    data = data.with_options(sharing)

    with strategy.scope():
        hidden = tf_keras.layers.Dense(64, activation="relu")
        model = tf_keras.Sequential([tf_keras.layers.InputLayer([64]), hidden, tf_keras.layers.Dense(10)])
        loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(tf_keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])

    is_chief = ctx.job_name == "chief"
    shown = [tf_keras.callbacks.TensorBoard(os.environ["GPUQ_LOG_DIR"])] if is_chief else []
    model.fit(data, epochs=options.epochs, callbacks=shown, verbose=2 if is_chief else 0)

    if is_chief:
        accuracy = np.mean(np.argmax(model(pixels[test]), axis=1) == labels[test])
        print(f"test accuracy {accuracy:.3f}")
