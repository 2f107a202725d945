"""Configurations in the documents are ones that gpuqd takes."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from gpuq_daemon.config import Config, load
from tests.support.documents import Block, blocks, documents


def configurations() -> list[Block]:
    """Return every block of TOML that is some of `gpuqd.toml`."""
    found = [block for file in documents() for block in blocks(file) if block.language == "toml"]
    return [block for block in found if not isinstance(tomllib.loads(block.text).get("palette"), str)]


@pytest.mark.parametrize("block", configurations(), ids=lambda block: f"{block.file}:{block.line}")
def test_every_configuration_in_a_document_is_one_that_gpuqd_takes(block: Block, tmp_path: Path) -> None:
    has = tomllib.loads(block.text)
    first = "" if "state_dir" in has else 'state_dir = "/s"\n'
    last = "" if "partition" in has else '\n[partition.local]\nengine = "embedded"\n'
    file = tmp_path / "gpuqd.toml"
    file.write_text(f"{first}{block.text}{last}")

    assert isinstance(load(file), Config)


def test_there_are_some() -> None:
    assert len(configurations()) >= 8
