#GPUQ --workers 2 --gpus-per-worker 1
#GPUQ --ps 1
"""Handwritten digits, asynchronously, as written for TensorFlow 1: each worker takes steps of its own.

    gpuq enqueue sample_jobs/digits_async.py -- --steps 600

`replica_device_setter` puts the shared variables on the parameter servers, which get no GPU; gradients are applied as
they come, and all stop at the same global step.
"""

import argparse
import os

import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

BATCH = 64  # rows a step
tf1 = tf.compat.v1


def main_fun(args, ctx):
    parser = argparse.ArgumentParser(prog=args[0])
    parser.add_argument("--steps", type=int, default=600, help="of all workers together")
    parser.add_argument("--lr", type=float, default=0.2)
    options = parser.parse_args(args[1:])

    cluster = tf.train.ClusterSpec(ctx.cluster_spec)
    server = tf1.train.Server(cluster, job_name=ctx.job_name, task_index=ctx.task_index)
    if ctx.job_name == "ps":
        print(f"ps:{ctx.task_index} serves")
        server.join()  # gpuq lets it return when the others are done
        return

    pixels, labels = load_digits(return_X_y=True)
    pixels = (pixels / 16).astype("float32")
    order = np.random.default_rng(7).permutation(len(labels))
    train, test = order[:1500], order[1500:]
    chance = np.random.default_rng(ctx.executor_id)

    me = f"/job:{ctx.job_name}/task:{ctx.task_index}"
    with tf.Graph().as_default(), tf1.device(tf1.train.replica_device_setter(worker_device=me, cluster=cluster)):
        x = tf1.placeholder(tf.float32, [None, 64])
        y = tf1.placeholder(tf.int64, [None])
        w1 = tf1.get_variable("w1", [64, 64])
        b1 = tf1.get_variable("b1", [64], initializer=tf1.zeros_initializer())
        w2 = tf1.get_variable("w2", [64, 10])
        b2 = tf1.get_variable("b2", [10], initializer=tf1.zeros_initializer())
        logits = tf.nn.relu(x @ w1 + b1) @ w2 + b2
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))
        step_variable = tf1.train.get_or_create_global_step()
        train_op = tf1.train.GradientDescentOptimizer(options.lr).minimize(loss, global_step=step_variable)
        tf1.summary.scalar("loss", loss)

        is_chief = ctx.job_name == "chief"
        hooks = [tf1.train.StopAtStepHook(last_step=options.steps)]
        if is_chief:
            summaries = tf1.summary.merge_all()
            hooks.append(tf1.train.SummarySaverHook(10, output_dir=os.environ["GPUQ_LOG_DIR"], summary_op=summaries))
        # Each talks to the parameter servers only: nobody waits for another worker, or fails with it.
        config = tf1.ConfigProto(device_filters=["/job:ps", me])
        mine = 0
        with tf1.train.MonitoredTrainingSession(
            master=server.target,
            is_chief=is_chief,
            config=config,
            hooks=hooks,
            checkpoint_dir=os.environ["GPUQ_CHECKPOINT_DIR"],
            save_summaries_steps=None,
            save_summaries_secs=None,
            log_step_count_steps=None,
        ) as session:
            while not session.should_stop():
                rows = chance.choice(train, BATCH)
                step, _, lost = session.run([step_variable, train_op, loss], {x: pixels[rows], y: labels[rows]})
                mine += 1
                if mine % 50 == 0:
                    print(f"step {step}/{options.steps}  loss {lost:.4f}")
    print(f"{mine} of the steps were mine")

    if is_chief:  # the session has saved a checkpoint at its end
        trained = tf.train.load_checkpoint(os.environ["GPUQ_CHECKPOINT_DIR"])
        w1, b1, w2, b2 = (trained.get_tensor(name) for name in ("w1", "b1", "w2", "b2"))
        guess = np.argmax(np.maximum(pixels[test] @ w1 + b1, 0) @ w2 + b2, axis=1)
        print(f"test accuracy {np.mean(guess == labels[test]):.3f}")
