"""The command `gpuqd`."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import click

from gpuq import __version__
from gpuq.errors import GpuqError
from gpuq.text import clean
from gpuq_daemon import state_commands

_OF_THE_EXTRA = frozenset({"uvloop", "msgspec", "litestar", "uvicorn", "sqlite_utils", "numpy", "google_crc32c"})
_CONFIG = click.option(
    "--config", "config_file", required=True, type=click.Path(path_type=Path), help="The gpuqd.toml."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="gpuqd %(version)s")
def cli() -> None:
    """Run the daemon that keeps gpuq's queue."""


@cli.command()
@_CONFIG
def serve(config_file: Path) -> None:
    """Serve the queue until SIGTERM or ctrl-C."""
    gc.disable()  # until it serves: nothing that is loaded before is garbage
    import uvloop

    from gpuq_daemon import logs, service
    from gpuq_daemon.config import load

    config = load(config_file)
    logs.set_up(config.log_format, config.log_level)

    def ready() -> None:
        print(f"gpuqd {__version__} serves {config.cluster_name} at {config.socket_path}", flush=True)

    def hindrances(partition: str) -> tuple[str, ...]:
        from gpuq_daemon import check as checks

        return checks.hindrances(config, partition, os.environ)

    uvloop.run(service.serve(config, file=config_file.resolve(), ready=ready, hindrances=hindrances))


@cli.command()
@_CONFIG
def start(config_file: Path) -> None:
    """Serve in the background; return when it serves."""
    from gpuq_daemon import background
    from gpuq_daemon.config import load

    config = load(config_file)
    pid = background.start(config, config_file)
    print(f"gpuqd (pid {pid}) serves {config.cluster_name} at {config.socket_path}")


@cli.command()
@_CONFIG
def stop(config_file: Path) -> None:
    """End the daemon; jobs that run go on, and the next one finds them."""
    from gpuq_daemon import background
    from gpuq_daemon.config import load

    print("gpuqd has ended." if background.stop(load(config_file)) else "gpuqd was not running.")


@cli.command(short_help="Read the configuration again; print what has changed.")
@_CONFIG
def reload(config_file: Path) -> None:
    """Let the daemon read its configuration again; print what has changed, and what needs a restart."""
    from gpuq.client_admin import AdminClient
    from gpuq_daemon.config import load

    changes = AdminClient(str(load(config_file).socket_path)).reload()
    for one in changes:
        old, new = (clean(value) if value is not None else "(not set)" for value in (one["old"], one["new"]))
        print(f"{clean(one['key'])}: {old} -> {new}{'' if one['is_live'] else '  (needs a restart)'}")
    if not changes:
        print("Nothing has changed.")


@cli.command(short_help="Write a first configuration for this machine.")
@_CONFIG
@click.option("--state-dir", help="Where queue and jobs are kept. [/var/lib/gpuq for root]")
@click.option("--socket", help="Where it listens. [/run/gpuq/gpuqd.sock for root]")
def init(config_file: Path, state_dir: str | None, socket: str | None) -> None:
    """Write a first configuration that fits this machine; a file that is there is left alone."""
    from gpuq_daemon import init

    state, listens = init.path_of("--state-dir", state_dir), init.path_of("--socket", socket)
    init.write(config_file, os.environ, state=state, socket=listens)
    print(f"Wrote {config_file}: look it over, then `gpuqd check --config {config_file}`.")


@cli.command(short_help="Say whether gpuqd can run here, and what to do.")
@_CONFIG
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array of findings.")
def check(config_file: Path, as_json: bool) -> None:
    """Say whether configuration and machine can run the daemon, and what to do; exit code 1 if not."""
    from gpuq_daemon import check as checks
    from gpuq_daemon.findings import Level

    found = checks.check(config_file, os.environ)
    print(checks.as_json(found) if as_json else "\n".join(checks.lines(found)))
    sys.exit(any(one.level is Level.FAIL for one in found))


@cli.command(short_help="Print a systemd unit for this installation.")
@_CONFIG
@click.option("--user", help="Run as this user, and serve only that one. [root]")
def unit(config_file: Path, user: str | None) -> None:
    """Print a systemd unit for this installation: into /etc/systemd/system/gpuqd.service with it."""
    from gpuq_daemon.unit import unit as unit_text

    gpuqd = Path(sys.executable).with_name("gpuqd")
    print(unit_text(gpuqd, config_file.absolute(), user=user), end="")


@cli.command()
@click.option("--master-port", type=click.IntRange(1024, 65535), help="The Spark master's port. [any free one]")
def demo(master_port: int | None) -> None:
    """Start a cluster on this machine and train two jobs on it."""
    from gpuq_daemon import demo

    sys.exit(demo.run(master_port=master_port))


for _command in (state_commands.backup, state_commands.restore, state_commands.verify):
    cli.add_command(_command)


def main() -> None:
    """Run gpuqd; an error that a person can mend is one sentence."""
    try:
        cli(sys.argv[1:] or ["--help"], standalone_mode=False)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.ClickException as error:
        print(f"gpuqd: {error.format_message()}", file=sys.stderr)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in _OF_THE_EXTRA:
            raise
        print(f"gpuqd: {error.name} is not installed: `pip install 'gpuq-cluster[daemon,job]'`.", file=sys.stderr)
        sys.exit(2)
    except GpuqError as error:
        print(f"gpuqd: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
