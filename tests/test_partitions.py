"""What `[partition.NAME]` may say, by its engine; what is wrong is named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gpuq.errors import UsageError
from gpuq_daemon.backends.making import make_engines
from gpuq_daemon.backends.standalone import StandaloneEngine
from gpuq_daemon.backends.warm import WarmEngine
from gpuq_daemon.backends.yarn import YarnEngine
from gpuq_daemon.config import Config, load


def config(folder: Path, lines: str) -> Config:
    file = folder / "gpuqd.toml"
    file.write_text(f'state_dir = "{folder}"\n[partition.p]\n{lines}\n')
    return load(file)


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        ('engine = "mesos"', "engines are: embedded, standalone, yarn, kubernetes"),
        ('engine = "standalone"', "missing required field `master`"),
        ('engine = "standalone"\nmaster = "http://a:7077"', "master"),
        ('engine = "standalone"\nmaster = "spark://a"\nqueue = "q"', "unknown field `queue`"),
        ('engine = "yarn"\nnodes = 2', "unknown field `nodes`"),
        ('engine = "yarn"\nqueue = "a b"', "queue"),
        ('engine = "yarn"\nmemory_mib = 512', "memory_mib"),
        ('engine = "embedded"\nmaster = "spark://a"', "unknown field `master`"),
    ],
)
def test_a_setting_that_its_engine_does_not_know_is_named(tmp_path: Path, lines: str, named: str) -> None:
    with pytest.raises(UsageError) as caught:
        config(tmp_path, lines)

    assert named in str(caught.value)
    assert "[partition.NAME]" in str(caught.value)


def test_one_spark_for_all_keeps_nothing_warm(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="warm needs a Spark per job"):
        config(tmp_path, 'engine = "embedded"\nspark = "one"\nwarm = 2')


@pytest.mark.parametrize(
    "lines", ['engine = "embedded"\nwarm = 2', 'engine = "standalone"\nmaster = "spark://a"\nwarm = 2']
)
def test_what_was_kept_warm_is_looked_after_also_without_the_setting(tmp_path: Path, lines: str) -> None:
    assert isinstance(make_engines(config(tmp_path, lines))["p"], WarmEngine)
    without = config(tmp_path, lines.replace("warm = 2", ""))
    assert not isinstance(make_engines(without)["p"], WarmEngine)

    (tmp_path / "engine" / "p" / "warm").mkdir(parents=True)

    assert isinstance(make_engines(without)["p"], WarmEngine) is ("standalone" in lines or os.geteuid() == 0)


def test_each_partition_has_the_engine_that_it_names(tmp_path: Path) -> None:
    found = config(tmp_path, 'engine = "yarn"\n[partition.q]\nengine = "standalone"\nmaster = "spark://a:7077,b:7078"')

    engines = make_engines(found)

    assert isinstance(engines["p"], YarnEngine)
    assert isinstance(engines["q"], StandaloneEngine)
    assert all(engines[name].partition == name for name in ("p", "q"))
