"""What goes with a script: files beside it, and the commit that it comes from; all of it is text."""

from __future__ import annotations

import os
import stat

from gpuq.errors import UsageError
from gpuq.regular import NotRegularError, open_regular
from gpuq.text import clean, fit
from gpuq.units import size

MOST_FILES = 1000
MAX_CODE_BYTES = 2 * 1024 * 1024
DIFF = ".gpuq/uncommitted.diff"
_MAX_DIFF_BYTES = 256 * 1024
_PATIENCE_S = 5.0
_PLAIN = ("--no-ext-diff", "--no-textconv", "--ignore-submodules=all")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gpuq.client import Json


def code_of(script: str, paths: Sequence[str], *, base: str = "") -> Json | None:
    """Return the `models.Code` of a script: files by `paths`, which count from the folder `base`, and its git commit.

    A file keeps its place below the script's folder; one from elsewhere comes to lie beside the script, by its name.
    Folders are taken whole, but for hidden files and compiled ones. None where there is nothing to tell.

    Raises:
        UsageError: a path is no text file or folder, or it is too much.
    """
    root = os.path.dirname(os.path.abspath(script))
    if not paths and not _is_in_repository(root):
        return None
    from gpuq.progress import Progress  # threads, for those who have something to be read

    with Progress("Reading what goes with the script"):
        taken = files_of(paths, root, base=base, but=os.path.basename(script))
        commit, diff = _commit(root, os.path.basename(script))
    if diff:
        taken[DIFF] = diff
    return None if not taken and commit is None else code_with(commit, taken)


def code_with(commit: str | None, texts: Mapping[str, str]) -> Json:
    """Return the `models.Code` of a commit and of texts by their places."""
    return {"commit": commit, "files": [{"path": name, "text": texts[name]} for name in sorted(texts)]}


def files_of(paths: Sequence[str], root: str, *, base: str = "", but: str = "") -> dict[str, str]:
    """Return the texts of files by the places that they get beside a script in the folder `root`, all `but` one.

    Raises:
        UsageError: a path is no text file or folder, two are to have one place, or it is too much.
    """
    sources: dict[str, str] = {}
    taken: dict[str, str] = {}
    for path in paths:
        is_empty = True
        for file, name in _files(os.path.abspath(os.path.join(base, path)), root):
            is_empty, real = False, os.path.realpath(file)
            if name == but and real == os.path.realpath(os.path.join(root, but)):
                continue  # a folder with the script in it
            if sources.setdefault(name, real) != real or name.startswith(".gpuq/"):
                raise UsageError(f"--files: two files are to be '{fit(clean(name), 60)}' beside the script.")
            taken[name] = _text(file)
            if len(taken) > MOST_FILES:
                raise UsageError(f"--files has more than {MOST_FILES} files: name the ones that the script needs.")
        if is_empty:
            raise UsageError(f"--files: there is nothing to take in {fit(clean(path), 200)}.")
    n_bytes = sum(len(text.encode()) for text in taken.values())
    if n_bytes > MAX_CODE_BYTES:
        raise UsageError(
            f"--files has {size(n_bytes)}; code may have {size(MAX_CODE_BYTES)}: put data on the file system."
        )
    return taken


def _files(given: str, root: str) -> Iterator[tuple[str, str]]:
    """Yield each file below a path with the name it gets."""
    try:
        kind = os.stat(given).st_mode
    except (OSError, ValueError) as error:
        raise UsageError(f"--files: there is no file or folder {fit(clean(given), 200)}.") from error
    parent = root if _is_below(given, root) else os.path.dirname(given)
    if not stat.S_ISDIR(kind):
        yield given, _name(given, parent)
        return
    for folder, below, names in os.walk(given):
        below[:] = sorted(name for name in below if name[0] != "." and name != "__pycache__")
        for name in sorted(names):
            if name[0] != "." and not name.endswith((".pyc", ".pyo", ".so")):
                yield os.path.join(folder, name), _name(os.path.join(folder, name), parent)


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip("/") + "/")


def _name(path: str, parent: str) -> str:
    return os.path.relpath(path, parent)


def _text(path: str) -> str:
    shown = fit(clean(path), 200)
    try:
        with os.fdopen(open_regular(path), "rb") as stream:
            content = stream.read(MAX_CODE_BYTES + 1)
    except NotRegularError as error:
        raise UsageError(f"--files: {shown} is {error.what}.") from error
    except OSError as error:
        raise UsageError(f"--files: cannot read {shown}: {error.strerror}.") from error
    if len(content) > MAX_CODE_BYTES:
        raise UsageError(f"--files: {shown} is larger than {size(MAX_CODE_BYTES)}: put data on the file system.")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"--files: {shown} is not UTF-8 text: data belongs on the file system.") from error


def _commit(folder: str, script: str) -> tuple[str | None, str | None]:
    """Return the commit of the repository around a folder, with `-dirty` where files differ, and that difference.

    What git cannot say in time counts as different, and so does a script that is not in the repository.
    """
    if not _is_in_repository(folder):
        return None, None
    head = _git(folder, "rev-parse", "--verify", "HEAD")
    if head is None or len(head.strip()) not in (40, 64):
        return None, None
    diff = _git(folder, *_without_filters(folder), "diff", "HEAD", "--no-color", *_PLAIN)
    if diff is None:
        diff = "[git could not say in time what differs]\n"
    if not diff and _git(folder, "ls-files", "--error-unmatch", "--", script) is None:
        diff = "[the script itself is not in the repository]\n"
    return f"{head.strip()}{'-dirty' if diff else ''}", diff or None


def _without_filters(folder: str) -> list[str]:
    """Return options of git that turn off the filters which the repository itself names: they are commands to run."""
    listed = _git(folder, "config", "--show-scope", "--name-only", "--get-regexp", r"^filter[.]") or ""
    names = {line.partition("\t")[2] for line in listed.splitlines() if line.startswith(("local", "worktree"))}
    drivers = {name.removeprefix("filter.").rpartition(".")[0] for name in names}
    kinds = ("clean=", "smudge=", "process=", "required=false")
    return [word for driver in sorted(drivers) for kind in kinds for word in ("-c", f"filter.{driver}.{kind}")]


def _is_in_repository(folder: str) -> bool:
    while True:
        if os.path.exists(os.path.join(folder, ".git")):
            return True
        above = os.path.dirname(folder)
        if above == folder:
            return False
        folder = above


def _git(folder: str, *words: str) -> str | None:
    """Return what git prints, cut where it is long; None where it cannot say. The repository names nothing to run."""
    import subprocess
    import threading

    command = ["git", "-C", folder, "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", *words]
    try:
        process = subprocess.Popen(
            command,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_PAGER": "cat"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return None
    with process:
        assert process.stdout is not None
        patience = threading.Timer(_PATIENCE_S, process.kill)
        patience.start()
        content = process.stdout.read(_MAX_DIFF_BYTES + 1)
        if len(content) > _MAX_DIFF_BYTES:
            process.kill()
        code = process.wait()
        patience.cancel()
    if len(content) > _MAX_DIFF_BYTES:
        return content[:_MAX_DIFF_BYTES].decode("utf-8", "replace") + "\n[more is left out]\n"
    return content.decode("utf-8", "replace") if code == 0 else None
