"""What a job runs: its script and what goes with it."""

from __future__ import annotations

from gpuq.cli.views.table import facts, table
from gpuq.code import DIFF
from gpuq.errors import NotFoundError
from gpuq.text import clean, fit
from gpuq.units import size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gpuq.client import Json


def code_lines(spec: Json) -> list[str]:
    """Return the files with their sizes and SHA-256, the commit, and what was not committed as `git diff` has it."""
    from hashlib import sha256  # loads OpenSSL

    texts = _texts(spec)
    diff = texts.pop(DIFF, None)
    rows = [(path, size(len(text.encode())), sha256(text.encode()).hexdigest()) for path, text in texts.items()]
    lines = table(("FILE", "SIZE", "SHA-256"), rows, right=frozenset({"SIZE"}))
    code: Json | None = spec.get("code")
    commit: str | None = None if code is None else code["commit"]
    lines += ["", *facts([("Commit", commit or "none: the script was in no git repository")])]
    if diff is not None:
        lines += ["", *(clean(line, keep="\t") for line in diff.splitlines())]
    return lines


def file_text(spec: Json, path: str) -> str:
    """Return the text of a file that a job runs.

    Raises:
        NotFoundError: it has none by this path.
    """
    texts = _texts(spec)
    if path not in texts:
        known = ", ".join(clean(name) for name in list(texts)[:20])
        raise NotFoundError(f"The job has no file {fit(clean(path), 60)}; it has {known}.")
    return texts[path]


def _texts(spec: Json) -> dict[str, str]:
    """Return the texts by path, the script's first."""
    code: Json | None = spec.get("code")
    beside = {} if code is None else {file["path"]: file["text"] for file in code["files"]}
    return {spec["script_name"]: spec["script"]} | beside
