#GPUQ --workers 2
#GPUQ --gpus-per-worker 1
"""Handwritten digits on several workers at once: each computes gradients of its rows, all apply the sum.

    gpuq enqueue sample_jobs/digits_sync.py -- --epochs 50

No device is named here and no cluster is set up: TensorFlowOnSpark tells TensorFlow who the workers are
(TF_CONFIG), and gpuq which GPUs are this worker's.
"""

import argparse
import os

import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

BATCH = 64  # rows a step, over all workers


def main_fun(args, ctx):
    parser = argparse.ArgumentParser(prog=args[0])
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--lr", type=float, default=0.05)
    options = parser.parse_args(args[1:])

    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    workers = strategy.num_replicas_in_sync
    pixels, labels = load_digits(return_X_y=True)
    pixels = (pixels / 16).astype("float32")
    order = np.random.default_rng(7).permutation(len(labels))
    test, mine = order[1500:], order[ctx.executor_id : 1500 : workers]  # every worker has rows of its own
    data = tf.data.Dataset.from_tensor_slices((pixels[mine], labels[mine])).shuffle(len(mine), seed=7)
    data = data.batch(BATCH // workers, drop_remainder=True)

    tf.keras.utils.set_random_seed(7)
    with strategy.scope():
        hidden = tf.keras.layers.Dense(64, activation="relu", name="hidden")
        model = tf.keras.Sequential([tf.keras.Input([64]), hidden, tf.keras.layers.Dense(10, name="digit")])
        optimizer = tf.keras.optimizers.SGD(options.lr, momentum=0.9)
        optimizer.build(model.trainable_variables)
    cross_entropy = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="none")

    def step_of_one_worker(x, y):
        with tf.GradientTape() as tape:
            logits = model(x, training=True)
            loss = tf.reduce_sum(cross_entropy(y, logits)) / BATCH
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss, tf.reduce_sum(tf.cast(tf.argmax(logits, axis=1) == y, tf.float32)) / BATCH

    @tf.function
    def train_step(x, y):
        loss, accuracy = strategy.run(step_of_one_worker, args=(x, y))
        return strategy.reduce("SUM", loss, None), strategy.reduce("SUM", accuracy, None)

    # Only the chief writes what is to be seen; the others train along.
    is_chief = ctx.job_name == "chief"
    folder = os.environ["GPUQ_LOG_DIR"]
    writer = tf.summary.create_file_writer(folder) if is_chief else tf.summary.create_noop_writer()
    step = 0
    for epoch in range(1, options.epochs + 1):
        for x, y in data:
            loss, accuracy = train_step(x, y)
            step += 1
            with writer.as_default(step):
                tf.summary.scalar("loss", loss)
                tf.summary.scalar("accuracy", accuracy)
        with writer.as_default(step):
            for variable in model.trainable_variables:
                tf.summary.histogram(variable.path, variable)
        writer.flush()
        print(f"epoch {epoch}/{options.epochs}  step {step}  loss {loss:.4f}  accuracy {accuracy:.3f}")

    test_accuracy = np.mean(np.argmax(model(pixels[test]), axis=1) == labels[test])
    print(f"test accuracy {test_accuracy:.3f}")
    with writer.as_default(step):
        tf.summary.scalar("test_accuracy", test_accuracy)
    writer.close()
    if is_chief:
        tf.train.Checkpoint(model=model).save(os.path.join(os.environ["GPUQ_CHECKPOINT_DIR"], "digits"))
