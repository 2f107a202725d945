"""The documents that lead somebody by the hand, typed literally, each on a gpuqd of its own with real Spark."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gpuq_daemon.backends import gpus
from tests.support.daemon import short_folder
from tests.support.documents import FIRST_DAY, ROOT, TUTORIAL
from tests.support.tls import a_free_port
from tests.support.walking import Reader, walk

pytestmark = [
    pytest.mark.spark,
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(gpus.installed()), reason="the documents show a machine without GPUs"),
]


@contextmanager
def a_reader() -> Generator[tuple[Reader, Path]]:
    """Give a shell in an empty home, with gpuq installed and the samples at hand; what it started ends with it."""
    with short_folder() as home:
        (home / "sample_jobs").symlink_to(ROOT / "sample_jobs")
        environment = {"HOME": str(home), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        with Reader(home, {**environment, "COLUMNS": "120", "XDG_CONFIG_HOME": "", "XDG_STATE_HOME": ""}) as reader:
            try:
                yield reader, home
            finally:
                reader.type(
                    "for c in gpuq/gpuqd.toml etc/gpuqd.toml; do [ ! -e ~/$c ] ||"
                    " { gpuq cancel --yes; gpuqd stop --config ~/$c; }; done"
                )


def test_a_newcomers_first_hour() -> None:
    with a_reader() as (reader, _):
        walk(TUTORIAL, reader, {"ann": pwd.getpwuid(os.geteuid()).pw_name})


def test_an_operators_first_day() -> None:
    with a_reader() as (reader, home):
        places = {"/etc/gpuq": f"{home}/etc", "/var/lib/gpuq": f"{home}/state", "/run/gpuq": f"{home}/state"}
        here = {"gpu1.example.org": "localhost", "7443": str(a_free_port())}
        walk(FIRST_DAY, reader, places | here)
