"""What is known to fail only when a script has its GPUs, told when it is queued."""

from __future__ import annotations

_STRATEGY = "MultiWorkerMirroredStrategy"
_LEGACY = ("tf_keras", "TF_USE_LEGACY_KERAS")


def keras_fit_line(text: str) -> int | None:
    """Return the line (from 1) of a `.fit(...)` that Keras 3 cannot do on several workers, None if there is none.

    A guess: the script, which parses, names MultiWorkerMirroredStrategy and nothing of Keras 2.
    """
    if _STRATEGY not in text or any(word in text for word in _LEGACY):
        return None
    import ast

    calls = [node for node in ast.walk(ast.parse(text.removeprefix("\ufeff"))) if isinstance(node, ast.Call)]
    lines = [call.lineno for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "fit"]
    return min(lines, default=None)
