"""What is typed as a script and is none: words without `--` before them, shell scripts."""

from __future__ import annotations

import os

import click

from gpuq.errors import UsageError
from gpuq.text import clean, fit

_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh"})


class ScriptCommand(click.Command):
    """A command of one script, whose own words `args` must come after `--`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read a command line as click does, and refuse more than one word before `--`.

        Raises:
            UsageError: there is a word for the script before `--`, or a second script.
        """
        after = args[args.index("--") + 1 :] if "--" in args else []
        left = super().parse_args(ctx, args)
        extra: list[str] = list(ctx.params.get("args") or ())
        if len(extra) > len(after):
            raise UsageError(
                f"'{fit(clean(extra[0]), 60)}' is a word too many: one script is queued at a time, "
                "and words for it go after `--`."
            )
        return left


def refuse_shell_script(text: str, path: str) -> None:
    """Refuse a script that is meant for a shell, as `sbatch` takes them, by its name or its first line.

    Raises:
        UsageError: it is a shell script.
    """
    if "main_fun" not in text and (path.endswith((".sh", ".bash")) or _runs_in_shell(text.split("\n", 1)[0])):
        raise UsageError(
            f"{clean(path)} is a shell script; give a Python script that defines `def main_fun(args, ctx):`, "
            "which every worker runs."
        )


def _runs_in_shell(first_line: str) -> bool:
    if not first_line.startswith("#!"):
        return False
    return any(os.path.basename(word) in _SHELLS for word in first_line[2:].split())
