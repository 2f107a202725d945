"""A driver script as TensorFlowOnSpark's own examples are written, and not a line of it for gpuq.

    gpuq enqueue --driver --workers 2 sample_jobs/tfos_driver.py -- --cluster_size 2 --epochs 3

It names neither a master nor GPUs that would count: Spark gets what the job was given.
"""

import argparse


def main_fun(args, ctx):
    import os

    import numpy as np
    import tensorflow as tf

    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    with strategy.scope():
        weight = tf.Variable(0.0)

    @tf.function
    def train_step(x, y):
        def step(x, y):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((weight * x - y) ** 2)
            (gradient,) = tape.gradient(loss, [weight])
            gradient = tf.distribute.get_replica_context().all_reduce("MEAN", gradient)
            weight.assign_sub(0.1 * gradient)
            return loss

        return strategy.run(step, args=(x, y))

    rows = ctx.get_data_feed()
    for _ in range(args.steps):
        batch = np.array(rows.next_batch(args.batch_size), "float32").reshape(-1, 2)
        train_step(batch[:, 0], batch[:, 1])
    rows.terminate()
    print(f"weight {weight.numpy():.2f}")
    if ctx.job_name == "chief":
        tf.train.Checkpoint(weight=weight).save(os.path.join(args.model_dir, "model"))


if __name__ == "__main__":
    import os

    from pyspark import SparkConf, SparkContext
    from tensorflowonspark import TFCluster

    parser = argparse.ArgumentParser()
    parser.add_argument("--cluster_size", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--model_dir", default=os.environ.get("GPUQ_CHECKPOINT_DIR", "model"))
    args = parser.parse_args()

    sc = SparkContext(conf=SparkConf().setAppName("tfos_driver").setMaster("local[1]"))
    numbers = sc.parallelize(range(2000), 4).map(lambda i: (i % 10 / 10, i % 10 / 10 * 3))
    cluster = TFCluster.run(
        sc, main_fun, args, args.cluster_size, num_ps=0, input_mode=TFCluster.InputMode.SPARK, master_node="chief"
    )
    cluster.train(numbers, args.epochs)
    cluster.shutdown()
    sc.stop()
