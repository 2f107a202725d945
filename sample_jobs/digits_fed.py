#GPUQ --workers 2 --gpus-per-worker 1
#GPUQ --epochs 5
"""Handwritten digits out of an RDD: Spark reads and prepares the rows, and feeds them to the workers.

    gpuq enqueue --epochs 20 sample_jobs/digits_fed.py

`feed` runs once, in the driver, and returns an RDD or a DataFrame; `--epochs` is how often its rows are fed. A worker
takes them from `ctx.get_data_feed()`, as with TensorFlowOnSpark's `InputMode.SPARK`. What `main_fun` does after the
last row, here an export, is waited for.
"""

import os

import numpy as np
import tensorflow as tf

BATCH = 32  # rows a step and worker


def feed(sc, args):
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    rows = [(row.tolist(), int(label)) for row, label in zip(pixels[:1500], labels[:1500], strict=True)]
    return sc.parallelize(rows, 4).map(lambda row: ([value / 16 for value in row[0]], row[1]))


def main_fun(args, ctx):
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    with strategy.scope():
        model = tf.keras.Sequential([tf.keras.Input([64]), tf.keras.layers.Dense(10)])
        optimizer = tf.keras.optimizers.SGD(0.5)
        optimizer.build(model.trainable_variables)
    cross_entropy = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="none")
    rows = ctx.get_data_feed()

    def step_of_one_worker(x, y, weight):
        with tf.GradientTape() as tape:
            all_rows = tf.distribute.get_replica_context().all_reduce("SUM", tf.reduce_sum(weight))
            loss = tf.reduce_sum(cross_entropy(y, model(x)) * weight) / tf.maximum(all_rows, 1.0)
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss, all_rows

    @tf.function
    def train_step(x, y, weight):
        loss, all_rows = strategy.run(step_of_one_worker, args=(x, y, weight))
        return strategy.reduce("SUM", loss, None), strategy.reduce("MEAN", all_rows, None)

    # Spark gives one worker more rows than another: a step is taken until nobody has any.
    writer = tf.summary.create_file_writer(os.environ["GPUQ_LOG_DIR"])
    step = 0
    while True:
        batch = [] if rows.should_stop() else rows.next_batch(BATCH)
        x, y, weight = np.zeros([BATCH, 64], "float32"), np.zeros([BATCH], "int64"), np.zeros([BATCH], "float32")
        for at, (pixels, label) in enumerate(batch):
            x[at], y[at], weight[at] = pixels, label, 1.0
        loss, all_rows = train_step(x, y, weight)
        if not all_rows:
            break
        step += 1
        with writer.as_default(step):
            tf.summary.scalar("loss", loss)
    writer.close()
    print(f"loss {loss:.4f} after {step} steps")

    folder = os.environ["GPUQ_CHECKPOINT_DIR"]
    model.save(os.path.join(folder, "digits.keras" if ctx.job_name == "chief" else f"worker-{ctx.executor_id}.keras"))
    print("exported")
