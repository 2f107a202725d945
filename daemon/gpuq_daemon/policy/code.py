"""Whether what goes with a script may: files of text, each below the script's folder, not too many of them."""

from __future__ import annotations

import re

from gpuq.code import MAX_CODE_BYTES, MOST_FILES
from gpuq.models import Code
from gpuq.text import clean, fit, is_clean
from gpuq.units import size

_LONGEST_PATH = 1024
_LONGEST_NAME = 63  # of four bytes each at most
_COMMIT = re.compile(r"([0-9a-f]{40}|[0-9a-f]{64})(-dirty)?", re.ASCII)


def refusal(code: Code | None, script_name: str) -> str | None:
    """Return why what goes with the script `script_name` cannot, in one sentence; None if it can."""
    if code is None:
        return None
    if code.commit is not None and not _COMMIT.fullmatch(code.commit):
        return "A commit is 40 or 64 hexadecimal digits, and -dirty where files are not as committed."
    if len(code.files) > MOST_FILES:
        return f"{len(code.files)} files are more than the {MOST_FILES} that may go with a script."
    try:
        n_bytes = sum(len(file.text.encode()) for file in code.files)
    except UnicodeEncodeError:
        return "A file that goes with a script must be text that UTF-8 can write."
    if n_bytes > MAX_CODE_BYTES:
        return f"{size(n_bytes)} are more than the {size(MAX_CODE_BYTES)} of code that may go with a script."
    paths = [file.path for file in code.files]
    for path in paths:
        refused = _bad_path(path)
        if refused is not None:
            return f"'{fit(clean(path), 60)}' cannot go with a script: {refused}."
    return _clash(paths, script_name)


def _bad_path(path: str) -> str | None:
    parts = path.split("/")
    if not path or len(path) > _LONGEST_PATH or any(len(part) > _LONGEST_NAME for part in parts):
        return "its path is empty or too long"
    if not is_clean(path) or "\\" in path:
        return "its path has characters that cannot be shown"
    if any(part in ("", ".", "..") for part in parts):
        return "its path must lead below the script's folder"
    return None


def _clash(paths: list[str], script_name: str) -> str | None:
    """Return which file is in another's place, None where each has its own."""
    files = {script_name}
    for path in paths:
        if path in files:
            return f"Two files are to be '{fit(clean(path), 60)}' beside the script."
        files.add(path)
    folders = {"/".join(parts[:n]) for parts in (path.split("/") for path in paths) for n in range(1, len(parts))}
    both = sorted(files & folders)
    return f"'{fit(clean(both[0]), 60)}' is to be a file and a folder beside the script." if both else None
