#GPUQ --workers 1 --gpus-per-worker 1
"""Handwritten digits in one process on several devices at once: each computes gradients of its part of a batch.

    gpuq enqueue --gpus-per-worker 2 sample_jobs/digits_mirrored.py

`MirroredStrategy` takes all GPUs that the job was given. Without real GPUs the processor is split into `--devices`
logical devices: the arithmetic is the same, and so is the loss, whatever the number of devices.
"""

import argparse
import os

import tensorflow as tf
from sklearn.datasets import load_digits


def main_fun(args, ctx):
    parser = argparse.ArgumentParser(prog=args[0])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=64, help="rows a step, over all devices")
    parser.add_argument("--devices", type=int, default=2, help="where there is no GPU")
    options = parser.parse_args(args[1:])

    if not tf.config.list_physical_devices("GPU"):
        (cpu,) = tf.config.list_physical_devices("CPU")
        one = tf.config.LogicalDeviceConfiguration()
        tf.config.set_logical_device_configuration(cpu, [one] * options.devices)
    kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    strategy = tf.distribute.MirroredStrategy([device.name for device in tf.config.list_logical_devices(kind)])
    print(f"{strategy.num_replicas_in_sync} devices")

    pixels, labels = load_digits(return_X_y=True)
    data = tf.data.Dataset.from_tensor_slices(((pixels / 16).astype("float32"), labels))
    data = strategy.experimental_distribute_dataset(data.repeat().batch(options.batch, drop_remainder=True))

    with strategy.scope():
        first = tf.random.stateless_normal([64, 64], seed=[7, 1], stddev=0.18)
        second = tf.random.stateless_normal([64, 10], seed=[7, 2], stddev=0.18)
        w1, b1 = tf.Variable(first), tf.Variable(tf.zeros([64]))
        w2, b2 = tf.Variable(second), tf.Variable(tf.zeros([10]))
        variables = [w1, b1, w2, b2]
        optimizer = tf.keras.optimizers.SGD(0.2)
        optimizer.build(variables)

    def step_of_one_device(x, y):
        with tf.GradientTape() as tape:
            logits = tf.nn.relu(x @ w1 + b1) @ w2 + b2
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)
            loss = tf.reduce_sum(losses) / options.batch  # its part of the mean over the whole batch
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    @tf.function
    def train_step(x, y):
        return strategy.reduce("SUM", strategy.run(step_of_one_device, args=(x, y)), None)

    writer = tf.summary.create_file_writer(os.environ["GPUQ_LOG_DIR"])
    for step, (x, y) in zip(range(1, options.steps + 1), data, strict=False):
        loss = train_step(x, y)
        with writer.as_default(step):
            tf.summary.scalar("loss", loss)
    writer.close()
    print(f"loss {loss:.6f} at step {options.steps}")
