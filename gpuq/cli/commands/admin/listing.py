"""How `gpuq admin ... list` prints, and a change that was made."""

from __future__ import annotations

from gpuq.cli import terminal
from gpuq.cli.views.table import table
from gpuq.text import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def say_list(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, none: str, right: frozenset[str] = frozenset()
) -> None:
    """Print rows as a table; the sentence `none` where there are no rows."""
    if not rows:
        terminal.say(none)
        return
    mark = "…" if terminal.is_utf8() else "~"
    terminal.say("\n".join(table(header, rows, right=right, width=terminal.width(), mark=mark)))


def say_done(sentence: str) -> None:
    """Print what was changed, whatever the names in it hold."""
    terminal.say(clean(sentence))
