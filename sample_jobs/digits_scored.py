#GPUQ --driver --workers 2
"""Parallel inference: Spark hands the rows of a data set to all workers and gets a label for each back.

    gpuq enqueue sample_jobs/digits_scored.py -- --checkpoints /path/of/a/job/checkpoints

A driver script, since what is done with the answers is its own matter: here they are counted. `--checkpoints` are
those of a job of digits_resumed.py; without, each worker learns the same small model first.
"""

import argparse


def main_fun(args, ctx):
    import numpy as np
    import tensorflow as tf
    from sklearn.datasets import load_digits

    weights, bias = tf.Variable(tf.zeros([64, 10])), tf.Variable(tf.zeros([10]))
    if args.checkpoints:
        newest = tf.train.latest_checkpoint(args.checkpoints)
        tf.train.Checkpoint(weights=weights, bias=bias).restore(newest).expect_partial()
        print(f"scores with {newest}")
    else:
        pixels, labels = load_digits(return_X_y=True)
        x, y = tf.constant(pixels[:1000] / 16, tf.float32), labels[:1000]
        for _ in range(200):
            with tf.GradientTape() as tape:
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=x @ weights + bias)
                loss = tf.reduce_mean(losses)
            for variable, gradient in zip((weights, bias), tape.gradient(loss, (weights, bias)), strict=True):
                variable.assign_sub(0.5 * gradient)

    rows = ctx.get_data_feed(train_mode=False)  # with an answer for each row
    while not rows.should_stop():
        batch = rows.next_batch(100)
        if batch:
            logits = np.array([pixels for pixels, _ in batch], "float32") @ weights + bias
            found = np.argmax(logits, axis=1)
            rows.batch_results([(int(label), int(one)) for (_, label), one in zip(batch, found, strict=True)])


if __name__ == "__main__":
    from pyspark import SparkContext
    from sklearn.datasets import load_digits
    from tensorflowonspark import TFCluster

    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--checkpoints")
    args = parser.parse_args()

    sc = SparkContext()
    pixels, labels = load_digits(return_X_y=True)
    rows = [((pixels[at] / 16).tolist(), int(labels[at])) for at in range(1000, len(labels))]
    cluster = TFCluster.run(
        sc, main_fun, args, args.workers, num_ps=0, input_mode=TFCluster.InputMode.SPARK, master_node="chief"
    )
    answers = cluster.inference(sc.parallelize(rows, 8)).collect()
    right = sum(label == found for label, found in answers)
    print(f"scored {len(answers)} rows, accuracy {right / len(answers):.3f}", flush=True)
    cluster.shutdown()
    sc.stop()
