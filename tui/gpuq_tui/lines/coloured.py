"""Lines of text with colours in it, as the renderer of charts gives them."""

from __future__ import annotations

import re

from gpuq_tui.lines.line import Line, Tone

_SGR = re.compile(r"\x1b\[([\d;]*)m")
_TONES = {
    **dict.fromkeys(("38;5;12", "94"), Tone.CURVE_1),
    **dict.fromkeys(("38;5;11", "93"), Tone.CURVE_2),
    **dict.fromkeys(("38;5;10", "92"), Tone.CURVE_3),
    **dict.fromkeys(("38;5;13", "95"), Tone.CURVE_4),
    **dict.fromkeys(("38;5;14", "96"), Tone.CURVE_5),
    **dict.fromkeys(("38;5;9", "91"), Tone.CURVE_6),
}
"""The colours of `gpuq.chart` and their places among the curves. Source: ECMA-48, SGR; xterm's 256 colours."""


def coloured(text: str, tone: Tone = Tone.PLAIN) -> Line:
    """Return a line with its colours as tones; what has none, or another one, has `tone`."""
    first, *rest = _SGR.split(text)
    spans = [(first, tone)]
    for code, part in zip(rest[::2], rest[1::2], strict=True):
        spans.append((part, _TONES.get(code, tone)))
    return tuple(span for span in spans if span[0])
