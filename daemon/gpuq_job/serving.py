"""Makes `tf.distribute.Server.join()` return when the training is over.

TensorFlow's own waits for ever, so that who serves others (a parameter server, a worker that a coordinator gives its
work) would never end. The servers themselves run in threads of their own and need nobody who waits.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from gpuq_job.link import RankEnd

_MODULE = "tensorflow.python.training.server_lib"


def end_with_training(end: RankEnd) -> None:
    """Make `join` tell the driver that this rank serves from here on, and wait for its word.

    TFoS's nodes have imported TensorFlow before the user's function begins; without it there is nobody to join.
    """
    module: Any = sys.modules.get(_MODULE)
    if module is not None:
        module.Server.join = _join(end, module.Server.join)


def _join(end: RankEnd, for_ever: Callable[[Any], object]) -> Callable[[Any], None]:
    def join(self: Any) -> None:
        end.tell("RUNNING", is_serving=True)
        if not end.wait_for_end():
            for_ever(self)

    return join
