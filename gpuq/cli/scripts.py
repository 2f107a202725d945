"""What is typed as a word for a script and is none: words without `--` before them."""

from __future__ import annotations

import click

from gpuq.errors import UsageError
from gpuq.text import clean, fit


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
