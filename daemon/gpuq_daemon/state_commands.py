"""The commands of `gpuqd` that look after the state: backup, restore, verify."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gpuq.progress import Progress

if TYPE_CHECKING:
    from gpuq_daemon.store.invariants import Finding

_CONFIG = click.option(
    "--config", "config_file", required=True, type=click.Path(path_type=Path), help="The gpuqd.toml."
)
_FILE = click.argument("file", type=click.Path(path_type=Path))


@click.command(short_help="Write a backup, while the daemon serves or not.")
@_CONFIG
@_FILE
def backup(config_file: Path, file: Path) -> None:
    """Write queue, accounting and points to FILE; the daemon may go on meanwhile."""
    from gpuq_daemon import archive
    from gpuq_daemon.config import load

    config = load(config_file)
    with Progress(f"Writing {file}"):
        size = archive.back_up(config, file)
    print(f"{file}: {size / 2**20:.1f} MiB. `gpuqd restore` puts it back.")


@click.command(short_help="Put a backup in the place of the state.")
@_CONFIG
@_FILE
def restore(config_file: Path, file: Path) -> None:
    """Put a backup in the place of the state, which is kept aside; the daemon must not run."""
    from gpuq_daemon import archive
    from gpuq_daemon.config import load

    config = load(config_file)
    with Progress(f"Putting {file} in the place of the state"):
        aside = archive.restore(config, file)
    print(f"{file} is the state now; what was there is in {aside}.")


@click.command(short_help="Say whether the state, or a backup, is whole.")
@_CONFIG
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=False)
def verify(config_file: Path, file: Path | None) -> None:
    """Say whether the state, or the backup FILE, is whole, and what to do; exit code 1 if it is not."""
    from gpuq_daemon.config import load
    from gpuq_daemon.verify import verify_backup, verify_state

    config = load(config_file)
    is_whole = _told(verify_state(config) if file is None else verify_backup(file))
    if not is_whole:
        print("Stop gpuqd, keep a copy of its state folder, and `gpuqd restore` the last backup that verify passes.")
        sys.exit(1)


def _told(findings: Iterable[Finding]) -> bool:
    """Print one line a finding; return whether nothing is wrong."""
    from gpuq.text import clean

    is_whole = True
    with Progress("Looking at the next thing") as progress:
        for finding in findings:
            progress.hide()
            print(f"ok    {finding.what}" if finding.wrong is None else f"WRONG {finding.what}: {clean(finding.wrong)}")
            is_whole = is_whole and finding.wrong is None
    return is_whole
