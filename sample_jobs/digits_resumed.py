#GPUQ --workers 1 --gpus-per-worker 1
#GPUQ --signal 60 --retries 3
"""Handwritten digits by a training that saves when it is asked to stop, and goes on where its last attempt was.

    gpuq enqueue sample_jobs/digits_resumed.py -- --epochs 5000
    gpuq requeue 1

`GPUQ_CHECKPOINT_DIR` is the job's, kept over all its attempts: what is found there is the last that was reached.
With `--signal 60` a requeue, a cancel or a time limit leaves it 60 s to save; it needs less, and ends then.
`--retries 3`: where a node or a GPU is lost it runs again by itself, from the last checkpoint.
"""

import argparse
import os

import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

try:
    from gpuq_job import stopping
except ImportError:  # run without gpuq
    stopping = None


def main_fun(args, ctx):
    parser = argparse.ArgumentParser(prog=args[0])
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--save-every", type=int, default=50)
    options = parser.parse_args(args[1:])

    pixels, labels = load_digits(return_X_y=True)
    pixels = (pixels / 16).astype("float32")
    order = np.random.default_rng(7).permutation(len(labels))
    data = tf.data.Dataset.from_tensor_slices((pixels[order], labels[order])).batch(64, drop_remainder=True)

    weights, bias = tf.Variable(tf.zeros([64, 10])), tf.Variable(tf.zeros([10]))
    optimizer = tf.keras.optimizers.SGD(0.05, momentum=0.9)
    optimizer.build([weights, bias])
    epoch = tf.Variable(0, dtype=tf.int64)
    checkpoint = tf.train.Checkpoint(weights=weights, bias=bias, optimizer=optimizer, epoch=epoch)
    manager = tf.train.CheckpointManager(checkpoint, os.environ["GPUQ_CHECKPOINT_DIR"], max_to_keep=3)
    if manager.restore_or_initialize():  # also what an optimizer remembers, and how far it was
        print(f"goes on after epoch {int(epoch)}")

    @tf.function
    def train_step(x, y):
        with tf.GradientTape() as tape:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=x @ weights + bias)
            loss = tf.reduce_mean(losses)
        optimizer.apply(tape.gradient(loss, [weights, bias]), [weights, bias])
        return loss

    def save():
        manager.save(int(epoch))

    writer = tf.summary.create_file_writer(os.environ["GPUQ_LOG_DIR"])
    while epoch < options.epochs:
        loss = np.mean([train_step(x, y) for x, y in data])
        epoch.assign_add(1)
        with writer.as_default(int(epoch)):
            tf.summary.scalar("loss", loss)
        writer.flush()
        if epoch % options.save_every == 0 or epoch == options.epochs:
            save()
            print(f"epoch {int(epoch)}  loss {loss:.4f}", flush=True)
        if stopping:
            stopping.stop_if_requested(save)
