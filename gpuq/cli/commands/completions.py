"""`gpuq completions`."""

from __future__ import annotations

import click

from gpuq.cli import terminal
from gpuq.cli.completing import source


@click.command("completions")
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def command(shell: str) -> None:
    """Print the script that completes verbs, options, job numbers, users, accounts, nodes and tags.

    \b
    bash: gpuq completions bash > ~/.local/share/bash-completion/completions/gpuq
    zsh:  gpuq completions zsh > "${fpath[1]}/_gpuq"
    fish: gpuq completions fish > ~/.config/fish/completions/gpuq.fish
    """
    terminal.say(source(shell).strip())
