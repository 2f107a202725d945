"""`gpuqd init`: a first configuration that gpuqd itself accepts."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from gpuq.errors import UsageError
from gpuq_daemon.check import check
from gpuq_daemon.config import load
from gpuq_daemon.findings import Level
from gpuq_daemon.init import first_config, path_of, write
from gpuq_daemon.main import cli
from gpuq_daemon.partitions import EmbeddedPartition


@pytest.mark.parametrize("is_root", [True, False])
@pytest.mark.parametrize(("installed", "nodes", "gpu"), [(0, 2, "virtual"), (8, 8, "real")])
def test_it_fits_the_machine(tmp_path: Path, is_root: bool, installed: int, nodes: int, gpu: str) -> None:
    file = tmp_path / "gpuqd.toml"
    file.write_text(first_config({"HOME": '/home/a "b"'}, is_root=is_root, host="h", installed_gpus=installed))

    config = load(file)

    partition = config.partition["local"]
    assert isinstance(partition, EmbeddedPartition)
    assert (partition.nodes, partition.gpus_per_node, partition.gpu) == (nodes, 1, gpu)
    assert config.state_dir == ("/var/lib/gpuq" if is_root else '/home/a "b"/.local/state/gpuq')


def test_what_is_in_comments_is_right_too(tmp_path: Path) -> None:
    text = first_config({"HOME": "/h"}, is_root=False, host="h", installed_gpus=0)
    file = tmp_path / "gpuqd.toml"
    head, *lines = text.splitlines()

    file.write_text("\n".join([head, *(line.removeprefix("# ") for line in lines)]))

    assert load(file).partition["local"].gpu_type == "a100"


def test_what_it_writes_is_found_right_by_check(tmp_path: Path) -> None:
    file = tmp_path / "gpuqd.toml"

    write(file, {"HOME": str(tmp_path)})

    assert check(file, {})[0].level is Level.OK


def test_the_operator_may_say_where_things_are(tmp_path: Path) -> None:
    file = tmp_path / "gpuqd.toml"

    write(file, {}, state=tmp_path / "a", socket=tmp_path / "b")

    assert (load(file).state, load(file).socket_path) == (tmp_path / "a", tmp_path / "b")
    assert "ok" in [one.level.value for one in check(file, {})]


def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "gpuqd.toml"
    file.write_text("mine")

    with pytest.raises(UsageError, match="left as it is"):
        write(file, {})

    assert file.read_text() == "mine"


@pytest.mark.parametrize("option", ["--socket", "--state-dir"])
def test_an_empty_path_is_refused(tmp_path: Path, option: str) -> None:
    with pytest.raises(UsageError, match=f"{option} is empty"):
        path_of(option, " ")
    assert (path_of(option, None), path_of(option, "a")) == (None, Path("a"))
    done = CliRunner().invoke(cli, ["init", "--config", str(tmp_path / "gpuqd.toml"), option, ""])

    assert isinstance(done.exception, UsageError)
    assert not list(tmp_path.iterdir())
