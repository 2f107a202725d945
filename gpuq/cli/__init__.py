"""The command `gpuq`."""

from __future__ import annotations

import os
import sys

from gpuq.errors import GpuqError

TYPE_CHECKING = False  # `typing` costs milliseconds of every command
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; errors for people become one line on stderr.

    Exit codes: 0 done, 1 error, 2 bad use, 3 not found, 4 forbidden, 5 no daemon, 130 interrupted,
    141 nobody reads the output; `wait` and `enqueue --wait` end with the job's own.
    """
    from gpuq.cli import terminal

    words = list(sys.argv[1:] if argv is None else argv)
    terminal.prepare()
    if not words and os.environ.get("_GPUQ_COMPLETE"):  # the tab key, not a person
        from gpuq.cli.completing import complete

        return complete()
    from gpuq.client import Client

    Client.while_slow = "Waiting for gpuqd"
    try:
        code = run(words)
        terminal.flush()
    except (GpuqError, KeyError) as error:
        return _report(error)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        terminal.close_output()
        return 141
    except OSError as error:
        return terminal.report_full(error)
    return code


def _report(error: GpuqError | KeyError) -> int:
    """Say what went wrong and return the exit code; an error of our own is raised again."""
    from gpuq.cli import terminal

    if isinstance(error, KeyError) or error.exit_code == 3:
        from gpuq.cli.skew import explained

        found = explained(error)
        if found is None and isinstance(error, KeyError):
            raise error
        error = found or error
    terminal.say_error(str(error))
    return error.exit_code if isinstance(error, GpuqError) else 1


def run(words: list[str]) -> int:
    """Run a command line and return its exit code: without click, which costs more to load than most verbs take.

    Raises:
        GpuqError: it is refused, or what the verb came upon.
    """
    match words:
        case ["--host", host, *rest]:
            os.environ["GPUQ_HOST"] = host
            return run(rest)
        case ["--version"] | ["-V"]:
            from gpuq import __version__
            from gpuq.cli import terminal

            terminal.say(f"gpuq {__version__}")
            return 0
        case [] | ["--json"]:
            from gpuq.cli.queue import print_queue

            print_queue(is_mine=True, as_json=bool(words))
            return 0
        case _:
            from gpuq.cli.commands import ROOT
            from gpuq.cli.reading import read

            found = read(ROOT, words)
    if found is None:
        from gpuq.cli import group

        return group.run(words)
    verb, asked = found
    code = verb.run(**asked)
    return code if isinstance(code, int) else 0
