"""Why pods are not even made: a quota of their namespace, as the API says it to whoever asks for one. Pure.

Such a pod leaves no object and no event; only who wanted to make it was told, and has printed it.
"""

from __future__ import annotations

import re

from gpuq.text import clean, fit

# Source: kubernetes, plugin/pkg/admission/resourcequota, of which each part is like "pods=2,requests.nvidia.com/gpu=1".
_EXCEEDED = re.compile(
    r"exceeded quota: ([^\s,]{1,253}), requested: ([^\n:]{1,300}), used: ([^\n:]{1,300}), limited: ([^\s\"']{1,300})"
)


def exceeded(log: str) -> str | None:
    """Return which quota was exceeded last, and by what, in one sentence; None where none was."""
    found = list(_EXCEEDED.finditer(log))
    if not found:
        return None
    name, wanted, used, most = (fit(clean(part.rstrip(".,;")), 120) for part in found[-1].groups())
    return f"The namespace's quota {name} lets no further pod be made: it allows {most}; used {used}, wanted {wanted}."
