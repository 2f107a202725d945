#GPUQ --workers 2 --gpus-per-worker 1
#GPUQ --independent
"""Handwritten digits with several learning rates at once: each worker tries its own, on its own GPU.

    gpuq enqueue --workers 4 sample_jobs/digits_search.py -- 0.003 0.01 0.03 0.1

The workers know nothing of each other: there is no cluster and no TF_CONFIG. One that fails does not end the others.
"""

import os

import keras
import numpy as np
from sklearn.datasets import load_digits


def main_fun(args, ctx):
    rates = args[1:] or ["0.003", "0.03"]
    rate = float(rates[ctx.executor_id % len(rates)])

    pixels, labels = load_digits(return_X_y=True)
    pixels = (pixels / 16).astype("float32")
    order = np.random.default_rng(7).permutation(len(labels))
    train, test = order[:1500], order[1500:]

    keras.utils.set_random_seed(7)
    model = keras.Sequential([keras.Input([64]), keras.layers.Dense(64, activation="relu"), keras.layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    shown = keras.callbacks.TensorBoard(os.environ["GPUQ_LOG_DIR"])
    model.fit(pixels[train], labels[train], epochs=5, batch_size=32, callbacks=[shown], verbose=2)

    _, accuracy = model.evaluate(pixels[test], labels[test], verbose=0)
    print(f"rate {rate}  test accuracy {accuracy:.3f}")
    model.save(os.path.join(os.environ["GPUQ_CHECKPOINT_DIR"], f"rate-{rate}.keras"))
