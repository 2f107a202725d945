#GPUQ --workers 2 --gpus-per-worker 1
#GPUQ --ps 1
"""Handwritten digits, asynchronously: a parameter server holds the variables, the chief hands out steps to workers.

    gpuq enqueue sample_jobs/digits_ps.py -- --steps 400

The chief is the coordinator and computes nothing itself; of `--workers 2` one trains. Parameter servers get no GPU.
`Server.join()` never returns in TensorFlow; gpuq lets it return when the chief is done.
"""

import argparse
import os

import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

BATCH = 64  # rows a step


def main_fun(args, ctx):
    parser = argparse.ArgumentParser(prog=args[0])
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--lr", type=float, default=0.2)
    options = parser.parse_args(args[1:])

    cluster = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    if ctx.job_name != "chief":
        server = tf.distribute.Server(cluster.cluster_spec(), job_name=ctx.job_name, task_index=ctx.task_index)
        print(f"{ctx.job_name}:{ctx.task_index} serves")
        server.join()
        return

    pixels, labels = load_digits(return_X_y=True)
    pixels = (pixels / 16).astype("float32")
    order = np.random.default_rng(7).permutation(len(labels))
    train, test = order[:1500], order[1500:]

    strategy = tf.distribute.ParameterServerStrategy(cluster)
    coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)
    with strategy.scope():  # variables lie on the parameter servers
        first = tf.random.stateless_normal([64, 64], seed=[7, 1], stddev=0.18)
        second = tf.random.stateless_normal([64, 10], seed=[7, 2], stddev=0.18)
        variables = [tf.Variable(start) for start in (first, tf.zeros([64]), second, tf.zeros([10]))]

    def logits_of(x):
        w1, b1, w2, b2 = variables
        return tf.nn.relu(x @ w1 + b1) @ w2 + b2

    def rows():
        data = tf.data.Dataset.from_tensor_slices((pixels[train], labels[train]))
        return data.shuffle(len(train)).repeat().batch(BATCH, drop_remainder=True)

    @tf.function
    def train_step(batches):
        def one(batch):
            x, y = batch
            with tf.GradientTape() as tape:
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits_of(x))
                loss = tf.reduce_mean(losses)
            for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
                variable.assign_sub(options.lr * gradient)
            return loss

        return strategy.run(one, args=(next(batches),))

    batches = iter(coordinator.create_per_worker_dataset(rows))
    writer = tf.summary.create_file_writer(os.environ["GPUQ_LOG_DIR"])
    for step in range(20, options.steps + 1, 20):
        losses = [coordinator.schedule(train_step, args=(batches,)) for _ in range(20)]  # whichever worker is free
        coordinator.join()
        loss = np.mean([one.fetch() for one in losses])
        with writer.as_default(step):
            tf.summary.scalar("loss", loss)
        writer.flush()
        print(f"step {step}/{options.steps}  loss {loss:.4f}")

    accuracy = np.mean(np.argmax(logits_of(pixels[test]), axis=1) == labels[test])
    print(f"test accuracy {accuracy:.3f}")
    tf.train.Checkpoint(variables=variables).save(os.path.join(os.environ["GPUQ_CHECKPOINT_DIR"], "digits"))
    writer.close()
