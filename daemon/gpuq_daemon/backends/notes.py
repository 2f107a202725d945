"""What an engine keeps of each attempt while anything of it may be left: where its files are and whose it is."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """The log and the scratch folder of an attempt; `uid` is its owner, None for the user that gpuqd runs as."""

    logs: Path
    scratch: Path
    uid: int | None = None


class Notes:
    """A folder with a file for each attempt."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def make(self) -> None:
        """Make the folder."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def put(self, token: str, note: Note) -> None:
        """Note an attempt before anything of it is started."""
        self._path(token).write_text(json.dumps([str(note.logs), str(note.scratch), note.uid]))

    def of(self, token: str) -> Note | None:
        """Return what was noted of an attempt, None if nothing is, or not any more."""
        try:
            logs, scratch, *more = json.loads(self._path(token).read_text())
        except FileNotFoundError:
            return None
        return Note(logs=Path(logs), scratch=Path(scratch), uid=more[0] if more else None)

    def drop(self, token: str) -> None:
        """Forget an attempt of which nothing is left."""
        self._path(token).unlink(missing_ok=True)

    def _path(self, token: str) -> Path:
        return self._folder / checked(token)


def checked(token: str) -> str:
    """Return the token, which names a file, if it can name no other."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", token):
        raise ValueError(f"not a token: {token!r}")
    return token
