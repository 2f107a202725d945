"""What jobs ask for where nothing else is said: the site's and the user's own defaults, and jobs written down as TOML.

Keys are named as the options of `gpuq enqueue`, as in `time = "2h"`, `workers = 2`, `gpu-type = "a100"`, `hold = true`,
`files = ["model.py", "layers"]`. A job file has a `script` besides, and `args`. Of all that is said about an option,
the last counts: the site's defaults, the user's own, `#SBATCH` lines, `#GPUQ` lines, the job file, the command line.
"""

from __future__ import annotations

import os

from gpuq.asking import over
from gpuq.errors import UsageError
from gpuq.regular import NotRegularError, open_regular
from gpuq.script import FLAGS, OPTIONS
from gpuq.text import clean, fit

SITE = "/etc/gpuq/defaults.toml"
_LARGEST = 64 * 1024

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Asked = dict[str, tuple[str, str]]


class JobFile:
    """A job written down: the script's path, its words, and what is asked for by the names of `gpuq.asking`."""

    def __init__(self, path: str) -> None:
        """Read a file.

        Raises:
            UsageError: there is none, or it says what no job can be.
        """
        table = _table(path)
        shown = clean(path)
        if table is None:
            raise UsageError(f"There is no job file {shown}.")
        script, args = table.pop("script", None), table.pop("args", [])
        if not isinstance(script, str) or not script:
            raise UsageError(f'{shown}: name the script that is run, as in script = "train.py".')
        if not isinstance(args, list) or not all(isinstance(word, str) for word in args):  # pyright: ignore[reportUnknownVariableType] - TOML
            raise UsageError(f'{shown}: args is a list of texts, as in args = ["--lr", "1e-3"].')
        self.script = os.path.join(os.path.dirname(path), script)
        self.args: list[str] = args
        self.asked = _asked(table, shown)


def defaults() -> Asked:
    """Return what the site and the user ask for by default, each with the file that says so.

    Raises:
        UsageError: one of the files cannot be read, or says what no job can be.
    """
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    found: Asked = {}
    for path in (SITE, os.path.join(config, "gpuq", "defaults.toml")):
        table = _table(path)
        if table is not None:
            found = over(found, _asked(table, clean(path)))
    return found


def _table(path: str) -> dict[str, Any] | None:
    """Return what a TOML file holds; None where there is none."""
    try:
        with os.fdopen(open_regular(path), "rb") as stream:
            content = stream.read(_LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except NotRegularError as error:
        raise UsageError(f"{clean(path)} is {error.what}.") from error
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"Cannot read {clean(path)}: {why}.") from error
    if len(content) > _LARGEST:
        raise UsageError(f"{clean(path)} is larger than 64 KiB.")
    import tomllib  # for those who have such a file

    try:
        return tomllib.loads(content.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{clean(path)} is no TOML: {clean(str(error))}.") from error


def _asked(table: Mapping[str, Any], shown: str) -> Asked:
    found: Asked = {}
    for key, value in table.items():
        field = OPTIONS.get(f"--{key.replace('_', '-')}")
        if field is None:
            known = ", ".join(option[2:] for option in OPTIONS if option[:2] == "--")
            raise UsageError(f"{shown}: there is no option '{fit(clean(key), 40)}'; there are {known}.")
        word = _word(field, value)
        if word is None:
            raise UsageError(
                f"{shown}: {key} cannot be {fit(clean(repr(value)), 60)}; write it as on the command line."
            )
        if word:
            found[field] = (word, f"{shown}: ")
    return found


def _word(field: str, value: Any) -> str | None:
    """Return a value as the command line has it; "" for a flag that is off, None for what none can be."""
    if field in FLAGS:
        return ("yes" if value else "") if isinstance(value, bool) else None
    match value:
        case bool():
            return None
        case int():
            return str(value)
        case str():
            return value or None
        case list() if value and all(isinstance(one, str) for one in value):  # pyright: ignore[reportUnknownVariableType] - TOML
            return ",".join(str(one) for one in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - TOML
        case _:
            return None
