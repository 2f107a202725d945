"""What the interface remembers from one time to the next, in a file that people may edit."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from gpuq_tui.lines.line import PALETTES
from gpuq_tui.lines.order import ORDERS, OWNERS
from gpuq_tui.lines.queue import EXTRAS

_HEAD = (
    "# What gpuq top remembers: order and owner as last chosen, palette and keys as written here.\n"
    "# It may be edited while gpuq top does not run.\n"
)
_UNREADABLE = (OSError, ValueError, RecursionError)  # ValueError: not TOML, not UTF-8
_CHOICES = {"order": tuple(ORDERS), "owner": OWNERS, "palette": PALETTES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the queue is listed, by `lines.order`, with `columns` of `lines.queue.EXTRAS`.

    `palette` is of `lines.line.PALETTES`. `keys` are keys (Textual's names, several with commas) by what they do
    (`keys.named`), in place of those that have it.
    """

    order: str = "job"
    is_reversed: bool = False
    owner: str = "all"
    palette: str = "ansi"
    columns: list[str] = field(default_factory=list[str])
    keys: dict[str, str] = field(default_factory=dict[str, str])


def place(environ: Mapping[str, str]) -> Path:
    """Return where they are kept. Source: XDG Base Directory Specification."""
    base = environ.get("XDG_CONFIG_HOME") or os.path.join(environ.get("HOME", "/nonexistent"), ".config")
    return Path(base) / "gpuq" / "top.toml"


def load(path: Path) -> tuple[Settings, str]:
    """Return what is kept, and a sentence if it cannot be used; what is wrong counts as not set."""
    try:
        known = _known(path)
    except _UNREADABLE as error:
        return Settings(), f"{path} is not used: {error}"
    settings, wrong = Settings(), list[str]()
    for one in fields(Settings):
        value = known.pop(one.name, None)
        if value is None:
            continue
        if one.name == "columns" and isinstance(value, list):
            listed: list[object] = value  # pyright: ignore[reportUnknownVariableType] - whatever stands in the file
            settings = replace(settings, columns=[name for name in EXTRAS if name in listed])
            wrong += ["columns"] if any(name not in [*EXTRAS] for name in listed) else []
        elif type(value) is not type(getattr(settings, one.name)) or value not in _CHOICES.get(one.name, (value,)):
            wrong.append(one.name)
        else:
            settings = replace(settings, **{one.name: value})
    wrong += [*known, *(f"keys.{deed}" for deed, key in settings.keys.items() if type(key) is not str or not key)]
    settings = replace(settings, keys={deed: key for deed, key in settings.keys.items() if type(key) is str and key})
    return settings, f"{path}: {', '.join(wrong)} cannot be used." if wrong else ""


def _known(path: Path) -> dict[str, Any]:
    """Return what stands in the file, nothing if there is none."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}


def save(path: Path, settings: Settings) -> str:
    """Keep them; return a sentence if that fails, which is no reason to stop. A file that cannot be read stays."""
    try:
        _known(path)
    except _UNREADABLE as error:
        return f"Not remembered, so that what was written into {path} is not lost: {error}"
    plain = ((one.name, getattr(settings, one.name)) for one in fields(Settings) if one.name != "keys")
    lines = [*(f"{name} = {json.dumps(value)}" for name, value in plain), "", "[keys]"]
    lines += [f"{json.dumps(deed)} = {json.dumps(key)}" for deed, key in settings.keys.items()]
    text = _HEAD + "\n".join(lines) + "\n"
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        return f"Cannot remember this in {path}: {error.strerror}."
    return ""
