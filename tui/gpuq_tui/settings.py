"""What the interface remembers from one time to the next, in a file that people may edit."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from gpuq_tui.lines.order import ORDERS, OWNERS

_HEAD = (
    "# What gpuq top remembers: order, owner and theme as last chosen. It may be edited while gpuq top does not run.\n"
)
_CHOICES = {"order": tuple(ORDERS), "owner": OWNERS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the queue is listed, by `lines.order`; `theme` is one of Textual's, empty for the terminal's own colours."""

    order: str = "job"
    is_reversed: bool = False
    owner: str = "all"
    theme: str = ""


def place(environ: Mapping[str, str]) -> Path:
    """Return where they are kept. Source: XDG Base Directory Specification."""
    base = environ.get("XDG_CONFIG_HOME") or os.path.join(environ.get("HOME", "/nonexistent"), ".config")
    return Path(base) / "gpuq" / "top.toml"


def load(path: Path) -> tuple[Settings, str]:
    """Return what is kept, and a sentence if it cannot be used; what is wrong counts as not set."""
    try:
        known = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Settings(), ""
    except (OSError, ValueError) as error:  # ValueError: not TOML, not UTF-8
        return Settings(), f"{path} is not used: {error}"
    settings, wrong = Settings(), list[str]()
    for field in fields(Settings):
        value = known.pop(field.name, None)
        if value is None:
            continue
        if type(value) is not type(getattr(settings, field.name)) or value not in _CHOICES.get(field.name, (value,)):
            wrong.append(field.name)
        else:
            settings = replace(settings, **{field.name: value})
    wrong += known
    return settings, f"{path}: {', '.join(wrong)} cannot be used." if wrong else ""


def save(path: Path, settings: Settings) -> str:
    """Keep them; return a sentence if that fails, which is no reason to stop."""
    text = _HEAD + "".join(f"{f.name} = {json.dumps(getattr(settings, f.name))}\n" for f in fields(Settings))
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        return f"Cannot remember this in {path}: {error.strerror}."
    return ""
