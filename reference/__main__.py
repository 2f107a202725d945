"""`python -m reference FOLDER`: writes the manual pages below it."""

from __future__ import annotations

import sys
from pathlib import Path

from reference.manual import pages


def write(folder: Path) -> dict[str, Path]:
    """Write every manual page below a folder and return them by their place in it."""
    written = {place: folder / place for place in pages()}
    for place, text in pages().items():
        written[place].parent.mkdir(parents=True, exist_ok=True)
        written[place].write_text(text, encoding="utf-8")
    return written


if __name__ == "__main__":
    write(Path(sys.argv[1]))
