"""The line that names all views and the keys that lead there."""

from __future__ import annotations

from gpuq_tui.lines.line import Line, Look, Tone, fit

NAMES = ("queue", "why", "shares", "nodes", "trace", "charts", "admin")
"""The views by their keys, 1 and on."""
_RIGHT = "? help  : command"


def tab_line(current: str, *, width: int, look: Look) -> Line:
    """Return the line; the view that is shown stands in brackets, so that it needs no colour."""
    spans: list[tuple[str, Tone]] = []
    for key, name in enumerate(NAMES, 1):
        title = name.capitalize()
        spans.append((f"[{key} {title}]", Tone.STRONG) if name == current else (f" {key} {title} ", Tone.DIM))
    taken = sum(len(text) for text, _ in spans)
    return (*spans, (fit(_RIGHT, max(0, width - taken), look, right=True), Tone.DIM))
