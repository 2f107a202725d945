"""`gpuq completions`."""

from __future__ import annotations

from gpuq.cli import declare, terminal
from gpuq.cli.completing import SHELLS, VARIABLE


@declare.command("completions")
@declare.argument("shell", type=declare.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the script that completes verbs, options, job numbers, users, accounts, nodes and tags.

    \b
    bash: gpuq completions bash > ~/.local/share/bash-completion/completions/gpuq
    zsh:  gpuq completions zsh > "${fpath[1]}/_gpuq"
    fish: gpuq completions fish > ~/.config/fish/completions/gpuq.fish
    """
    import click
    from click.shell_completion import BashComplete, FishComplete, ZshComplete

    kind = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}[shell]
    script = (kind.source_template % kind(click.Command("gpuq"), {}, "gpuq", VARIABLE).source_vars()).strip()
    # click's file in $fpath answers the first tab key, and at the second only registers itself
    terminal.say(script.replace("[[ $zsh_eval_context[-1] == loadautofunc ]]", '[[ "$funcstack[1]" == _gpuq ]]'))
