# GPUQ --workers 2
# GPUQ --gpus-per-worker 1
"""Handwritten digits on several workers at once: every worker computes gradients, all apply their sum.

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
    is_chief = ctx.job_name == "chief"

    pixels, labels = load_digits(return_X_y=True)
    pixels = (pixels / 16).astype("float32")
    order = np.random.default_rng(7).permutation(len(pixels))
    train, test = order[:1500], order[1500:]
    mine = train[ctx.executor_id :: workers]  # every worker reads its own part
    data = tf.data.Dataset.from_tensor_slices((pixels[mine], labels[mine]))
    data = data.shuffle(len(mine), seed=ctx.executor_id).batch(BATCH // workers, drop_remainder=True)

    tf.keras.utils.set_random_seed(7)
    with strategy.scope():
        model = tf.keras.Sequential(
            [
                tf.keras.layers.Input([64]),
                tf.keras.layers.Dense(64, activation="relu", name="hidden"),
                tf.keras.layers.Dense(10, name="digit"),
            ]
        )
        optimizer = tf.keras.optimizers.SGD(options.lr, momentum=0.9)
        optimizer.build(model.trainable_variables)
    cross_entropy = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="none")

    @tf.function
    def train_step(x, y):
        def on_one_worker(x, y):
            with tf.GradientTape() as tape:
                logits = model(x, training=True)
                loss = tf.reduce_sum(cross_entropy(y, logits)) / BATCH
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables))
            right = tf.cast(tf.argmax(logits, axis=1) == y, tf.float32)
            return loss, tf.reduce_sum(right) / BATCH

        loss, accuracy = strategy.run(on_one_worker, args=(x, y))
        return strategy.reduce("SUM", loss, None), strategy.reduce("SUM", accuracy, None)

    writer = tf.summary.create_file_writer(os.environ["GPUQ_LOG_DIR"]) if is_chief else None
    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer)
    step = 0
    for epoch in range(options.epochs):
        for x, y in data:
            loss, accuracy = train_step(x, y)
            step += 1
            if writer:
                with writer.as_default(step):
                    tf.summary.scalar("loss", loss)
                    tf.summary.scalar("accuracy", accuracy)
        print(f"epoch {epoch + 1}/{options.epochs}  step {step}  loss {loss:.4f}  accuracy {accuracy:.3f}")
        if writer:
            with writer.as_default(step):
                for variable in model.trainable_variables:
                    tf.summary.histogram(variable.path, variable)
            writer.flush()

    right = np.argmax(model(pixels[test]), axis=1) == labels[test]
    print(f"test accuracy {right.mean():.3f}")
    if writer:
        with writer.as_default(step):
            tf.summary.scalar("test_accuracy", right.mean())
        writer.close()
        checkpoint.save(os.path.join(os.environ["GPUQ_CHECKPOINT_DIR"], "digits"))
