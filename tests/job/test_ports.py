from __future__ import annotations

import random
import socket
from pathlib import Path

from gpuq_job import ports


def with_ephemeral(folder: Path, text: str) -> Path:
    (folder / "sys/net/ipv4").mkdir(parents=True)
    (folder / "sys/net/ipv4/ip_local_port_range").write_text(text)
    return folder


def test_a_port_lies_below_those_that_the_kernel_gives_away(tmp_path: Path) -> None:
    proc = with_ephemeral(tmp_path, "20000\t60999\n")

    found = {ports.quiet(random.Random(seed), proc) for seed in range(50)}

    assert all(10_240 <= port < 20_000 for port in found)
    assert len(found) > 25


def test_a_port_that_somebody_has_is_passed_over(tmp_path: Path) -> None:
    proc = with_ephemeral(tmp_path, "32768 60999")
    first = ports.quiet(random.Random(1), proc)

    with socket.create_server(("", first)):
        assert ports.quiet(random.Random(1), proc) != first


def test_where_all_ports_are_ephemeral_any_will_do(tmp_path: Path) -> None:
    assert ports.quiet(random.Random(1), with_ephemeral(tmp_path, "1024 65535")) >= 10_240
