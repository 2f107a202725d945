"""Real Unix users for tests that run as root: two that every Debian has, and a Python that they can run."""

from __future__ import annotations

import atexit
import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from gpuq_daemon import owners
from gpuq_daemon.owners import UnixUser

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start processes as other users")
NAMES = ("games", "www-data")
_UNUSED = ("test", "tests", "idlelib", "__pycache__", "site-packages", "share", "*.a")


def user(name: str) -> UnixUser:
    """Return a user of this machine."""
    found = owners.lookup(pwd.getpwnam(name).pw_uid)
    assert found is not None
    return found


def uids() -> tuple[int, ...]:
    """Return whom processes of tests belong to."""
    known = {entry.pw_name: entry.pw_uid for entry in pwd.getpwall()}
    return tuple({os.geteuid(), *(known[name] for name in NAMES if name in known)})


def as_user(name: str, function: Callable[[], Any]) -> Any:
    """Call a function in a process of that user; return what JSON can hold of its result, or raise its error's text."""
    whom = user(name)
    read_end, write_end = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.setgroups(whom.groups())
            os.setresgid(whom.gid, whom.gid, whom.gid)
            os.setresuid(whom.uid, whom.uid, whom.uid)
            said = {"result": function()}
        except BaseException as error:
            said = {"error": f"{type(error).__name__}: {error}"}
        os.write(write_end, json.dumps(said).encode())
        os._exit(0)
    os.close(write_end)
    with open(read_end, "rb") as pipe:
        said = json.loads(pipe.read())
    os.waitpid(pid, 0)
    if "error" in said:
        raise AssertionError(said["error"])
    return said["result"]


@cache
def any_python() -> Path:
    """Return some Python 3 that every user can run."""
    system = Path("/usr/bin/python3")
    reachable = system.exists() and owners.may_reach(system, user(NAMES[0])) is None
    return system if reachable else python_for_all()


@cache
def python_for_all() -> Path:
    """Return a Python of this version that every user can run: this one, or a copy of it made of hard links."""
    real = Path(sys.executable).resolve()
    if owners.may_reach(real, user(NAMES[0])) is None:
        return real
    copy = _open_folder() / "python"
    shutil.copytree(
        sys.base_prefix, copy, symlinks=True, copy_function=_linked, ignore=shutil.ignore_patterns(*_UNUSED)
    )
    copy.chmod(0o755)
    return copy / "bin" / real.name


def _linked(source: str, target: str) -> str:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # on another file system
        shutil.copy2(source, target, follow_symlinks=False)
    return target


def library_path() -> dict[str, str]:
    """Return the environment that lets the Python for all find its own library, and not another one of the system."""
    return {"LD_LIBRARY_PATH": str(python_for_all().parent.parent / "lib")}


@cache
def venv_for_all() -> Path:
    """Return a Python that every user can run, with this environment's packages."""
    if owners.may_reach(Path(sys.executable), user(NAMES[0])) is None:
        return Path(sys.executable)
    folder = _open_folder()
    subprocess.run([python_for_all(), "-m", "venv", "--without-pip", folder / "venv"], check=True)
    packages = next((folder / "venv" / "lib").glob("python*")) / "site-packages"
    here = next(path for path in sys.path if path.endswith("site-packages"))
    (packages / "here.pth").write_text(f"import site; site.addsitedir({here!r})\n")
    return folder / "venv" / "bin" / "python"


def _open_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="gqpy", dir="/tmp"))
    folder.chmod(0o755)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
