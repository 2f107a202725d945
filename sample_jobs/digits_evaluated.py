#GPUQ --workers 1 --gpus-per-worker 1
#GPUQ --evaluator
"""Handwritten digits, with an evaluator that scores each checkpoint on test data while the training goes on.

    gpuq enqueue sample_jobs/digits_evaluated.py -- --epochs 10

The evaluator is a rank of its own, without a GPU. When the training is over it gets a SIGTERM and has 10 seconds left:
enough to score the last checkpoint.
"""

import argparse
import os
import signal
import threading

import keras
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits


def main_fun(args, ctx):
    parser = argparse.ArgumentParser(prog=args[0])
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args(args[1:])

    pixels, labels = load_digits(return_X_y=True)
    pixels = (pixels / 16).astype("float32")
    order = np.random.default_rng(7).permutation(len(labels))
    train, test = order[:1500], order[1500:]

    hidden = keras.layers.Dense(64, activation="relu")
    model = keras.Sequential([keras.Input([64]), hidden, keras.layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    checkpoint = tf.train.Checkpoint(model=model, epoch=tf.Variable(0, dtype=tf.int64))
    folder = os.environ["GPUQ_CHECKPOINT_DIR"]
    writer = tf.summary.create_file_writer(os.environ["GPUQ_LOG_DIR"])

    if ctx.job_name == "evaluator":
        is_over = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: is_over.set())
        for path in tf.train.checkpoints_iterator(folder, timeout=0, timeout_fn=is_over.is_set):
            checkpoint.restore(path).expect_partial()
            epoch = int(checkpoint.epoch)
            _, accuracy = model.evaluate(pixels[test], labels[test], verbose=0)
            with writer.as_default(epoch):
                tf.summary.scalar("test_accuracy", accuracy)
            writer.flush()
            print(f"epoch {epoch}  test accuracy {accuracy:.3f}")
        return

    manager = tf.train.CheckpointManager(checkpoint, folder, max_to_keep=3)
    for epoch in range(1, options.epochs + 1):
        history = model.fit(pixels[train], labels[train], batch_size=32, verbose=0).history
        with writer.as_default(epoch):
            for name, (value,) in history.items():
                tf.summary.scalar(name, value)
        writer.flush()
        checkpoint.epoch.assign(epoch)
        manager.save(epoch)
        print(f"epoch {epoch}/{options.epochs}  loss {history['loss'][0]:.4f}")
