"""The user's script as a module."""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

NAME = "gpuq_script"  # its own name may be that of a module the script imports


def load(script: Path) -> ModuleType:
    """Run a script as a module; its `__main__` part does not run."""
    beside(script)
    spec = importlib.util.spec_from_file_location(NAME, script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module
    had, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = had
    return module


def beside(script: Path) -> None:
    """Let a script import what was queued with it; alone it would only stand in the way of modules of its name."""
    folder = str(script.parent)
    if folder not in sys.path and any(not name.startswith(".") for name in os.listdir(folder) if name != script.name):
        sys.path.insert(0, folder)


def function(module: ModuleType, name: str, arguments: str) -> Callable[..., Any]:
    """Return what a script defines under this name; `arguments` is what it must take, in words.

    Raises:
        AttributeError: it defines none.
    """
    found = getattr(module, name, None)
    if not callable(found):
        raise AttributeError(f"{Path(str(module.__file__)).name} defines no function {name}({arguments})")
    return found


def check_that_it_ran(returned: object) -> None:
    """Check that what the user's function returned is not itself, still to be run.

    Raises:
        TypeError: nothing of it has run.
    """
    if inspect.iscoroutine(returned) or inspect.isgenerator(returned):
        returned.close()
    elif not inspect.isasyncgen(returned):
        return
    raise TypeError(
        "main_fun is `async`, or has `yield`, so nothing of it has run: have a plain function run it (asyncio.run)"
    )
