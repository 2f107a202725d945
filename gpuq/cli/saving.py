"""Results that go into a file, whole or not at all."""

from __future__ import annotations

import os

from gpuq.cli import terminal
from gpuq.errors import GpuqError
from gpuq.text import clean, fit
from gpuq.units import size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def save(path: str, pieces: Iterable[bytes], *, is_told: bool = True) -> None:
    """Write a file from its pieces; `-` is stdout. What was there under that name stays until the new one is whole.

    With `is_told` it is said on stderr what was written.

    Raises:
        GpuqError: it cannot be written.
    """
    if path == "-":
        for piece in pieces:
            terminal.say_bytes(piece)
        return
    from gpuq.progress import Progress  # threads, for those who write files

    draft = f"{path}.{os.getpid()}.part"
    try:
        with open(draft, "xb") as file, Progress(f"Writing {fit(clean(path), 60)}") as progress:
            try:
                for piece in pieces:
                    file.write(piece)
                    progress.done = size(file.tell())
                file.flush()
                os.replace(draft, path)
            except BaseException:
                os.unlink(draft)
                raise
    except OSError as error:
        raise GpuqError(f"Cannot write {fit(clean(path), 200)}: {error.strerror or error}.") from error
    if is_told:
        terminal.say_error(f"Wrote {fit(clean(path), 200)}.")
