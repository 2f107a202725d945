"""Numbers of the configuration that would switch fair share off, or make it no number, are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpuq.errors import UsageError
from gpuq_daemon.config import load


@pytest.mark.parametrize(
    ("says", "refused"),
    [
        ("half_life_d = inf", "never forgives"),
        ("half_life_d = 0", "forget all usage"),
        ("period_d = inf", "period_d"),
        ("period_d = 1e-300", "period_d"),
        ("recalculate_every_s = inf", "recalculate_every_s"),
        ("billing = {gpu = inf}", "billing.gpu"),
        ("billing = {gpu_types = {a100 = inf}}", "billing.gpu_types"),
    ],
)
def test_a_number_without_sense_is_refused_with_its_key(tmp_path: Path, says: str, refused: str) -> None:
    path = tmp_path / "gpuqd.toml"
    path.write_text(f'state_dir = "/x"\n[partition.p]\nengine = "embedded"\n[scheduler]\n{says}\n')

    with pytest.raises(UsageError, match=refused):
        load(path)
