"""What reading checkpoints costs: listing 500 MB in 400 variables, the distribution of one of 50 MB."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gpuq_daemon.files.local import LocalFiles
from tests.bench.rows import Row

_ROUNDS = 5
# Written by TensorFlow in a process of its own: the reader's memory is what is measured.
_WRITE = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np, tensorflow as tf
random = np.random.default_rng(1)
small = [tf.Variable(random.normal(size=(281_250,)).astype("float32")) for _ in range(400)]
large = tf.Variable(random.normal(size=(2500, 5000)).astype("float32"))
tf.train.Checkpoint(small=small, large=large).write(sys.argv[1] + "/ckpt-1")
"""


def measure() -> list[Row]:
    """Return CPU milliseconds, the best of some rounds, and the reader's largest RSS."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-c", _WRITE, folder], check=True, capture_output=True)
        read = subprocess.run([sys.executable, "-m", __name__, folder], check=True, capture_output=True, text=True)
    listing, numbers, rss = json.loads(read.stdout)
    return [
        Row(name="checkpoint of 500 MB: list of 401 variables", value=listing, unit="ms CPU", aim="<= 50"),
        Row(name="variable of 50 MB: distribution, with its checksum", value=numbers, unit="ms CPU", aim="<= 200"),
        Row(name="reading both: RSS of the whole process", value=rss, unit="MiB", aim="<= 100"),
    ]


def _read(folder: Path) -> tuple[float, float, float]:
    from gpuq_daemon.collectors.checkpoint_files import CheckpointFiles, is_checkpoint_file

    files = CheckpointFiles(LocalFiles(folder, is_checkpoint_file))
    listing: list[float] = []
    numbers: list[float] = []
    for _ in range(_ROUNDS):
        before = time.process_time()
        (kept,) = files.all()
        files.variables(kept)
        listing.append((time.process_time() - before) * 1000)
        before = time.process_time()
        files.distribution(kept, "large", 40)
        numbers.append((time.process_time() - before) * 1000)
    return min(listing), min(numbers), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    print(json.dumps(_read(Path(sys.argv[1]))))
