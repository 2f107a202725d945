"""Failures whose own words do not say what to do. Pure."""

from __future__ import annotations

import traceback

from gpuq_job.words import words

_KERAS = "/keras/src/"
_FIT = (
    "Keras 3's model.fit does not work on several workers of MultiWorkerMirroredStrategy: write the training loop, "
    "or use tf_keras in place of keras (with TF_USE_LEGACY_KERAS=1, tf.keras is tf_keras)"
)


def explained(error: BaseException) -> str | None:
    """Return what a known failure means and what to do, in one line; None if it speaks for itself.

    Source: Keras' issue 20585, "Attempt to convert a value (PerReplica ...".
    """
    if "PerReplica" not in words(error):
        return None
    files = [frame.filename.replace("\\", "/") for frame in traceback.extract_tb(error.__traceback__)]
    return _FIT if any(_KERAS in file for file in files) else None
