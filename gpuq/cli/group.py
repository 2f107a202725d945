"""The click side of `gpuq`: help, mistakes as one sentence, and all that is odd about a command line."""

from __future__ import annotations

import click

from gpuq import __version__
from gpuq.cli.clicked import Declared
from gpuq.cli.commands import COMMANDS, ROOT
from gpuq.cli.declare import Group, Verb
from gpuq.errors import UsageError
from gpuq.near import hint
from gpuq.text import clean, fit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

# How `gpuq --help` groups them; a verb that is named in none is one of those that look.
_LOOKING = "Looking"
_SECTIONS = {
    "Jobs": (
        *("enqueue", "resubmit", "wait", "cancel", "hold", "release"),
        *("requeue", "update"),
    ),
    _LOOKING: (),
    "What a training measured": (
        *("plot", "histogram", "compare", "report", "tensorboard"),
        *("export", "checkpoint", "weights"),
    ),
    "The cluster": ("nodes", "free", "gpus", "share", "usage", "admin"),
    "Setting up": ("completions", "dial"),
}

# What those type who come from Slurm, another queue or the shell; no spelling is near enough to guess it.
_MEANT = {
    **dict.fromkeys(("submit", "sbatch", "srun", "run", "qsub"), "enqueue"),
    **dict.fromkeys(("ls", "list", "ps", "status", "squeue", "sq", "qstat"), "queue"),
    **dict.fromkeys(("info", "scontrol"), "show"),
    "sinfo": "nodes",
    "sacct": "history",
    "sprio": "prio",
    "sshare": "share",
    "sreport": "usage",
    "sattach": "logs",
    "sacctmgr": "admin",
    **dict.fromkeys(("scancel", "kill", "rm", "stop", "qdel"), "cancel"),
    **dict.fromkeys(("log", "tail"), "logs"),
    **dict.fromkeys(("-G", "--gpus", "--gres", "--gpus-per-node", "--gpus-per-task"), "--gpus-per-worker"),
    **dict.fromkeys(("--nodes", "--ntasks"), "--workers"),
    **dict.fromkeys(("-t", "--states"), "--state"),
    "--starttime": "--since",
    "--endtime": "--until",
    **dict.fromkeys(("-i", "--iterate"), "--watch"),
    **dict.fromkeys(("-C", "--constraint"), "--gpu-type"),
    **dict.fromkeys(("--mem", "--mem-per-cpu"), "--memory-per-worker"),
    "--cpus-per-task": "--cpus-per-worker",
    "--job-name": "--name",
    "-W": "--wait",
    "-n": "--workers",  # sbatch's tasks; elsewhere -n is a name, and known
}
# Options from elsewhere that no option here stands for, and what does the same, where a verb has that.
_JOBS = frozenset(("job_id", "job_ids", "words"))
_SCRIPT = frozenset(("script",))
_INSTEAD = {
    "--me": (frozenset(("-u",)), "`-u me` chooses your own jobs."),
    "--start": (frozenset(("--watch",)), "`gpuq when ID` tells when a job will start."),
    **dict.fromkeys(("-j", "--job", "--jobs"), (_JOBS, "a job is named by its number alone.")),
    **dict.fromkeys(("-l", "--long"), (frozenset(("--no-header",)), "`-o` chooses columns.")),
    "--sort": (frozenset(("--no-header",)), "pipe it into `sort`, or press s in `gpuq top`."),
    "--wrap": (_SCRIPT, "a job is a Python script with `def main_fun(args, ctx):`, not a line of shell."),
    "--parsable": (_SCRIPT, "`--json` prints the job, with its number as `id`."),
    "--export": (_SCRIPT, "a job sees none of the shell's variables: give it words behind `--`."),
    **dict.fromkeys(("--output", "--error", "-e"), (_SCRIPT, "`gpuq logs ID` has what it prints, `-f` while it does.")),
    **dict.fromkeys(("--chdir", "-D"), (_SCRIPT, "a job has a folder of its own; `--files` puts files there.")),
    "--requeue": (_SCRIPT, "`--retries N` lets it run again."),
}
# What one group of commands calls otherwise than another.
_ALIKE = (
    ("add", "create", "new", "make", "set"),
    ("delete", "remove", "revoke", "clear", "rm", "cancel"),
    ("modify", "change", "edit", "update", "set"),
    ("list", "show", "ls"),
    ("resume", "undrain", "enable"),
)

# What click calls a word that is no number.
_NO_NUMBER = (
    *(("is not a valid integer range", "is not a whole number"), ("is not a valid integer", "is not a whole number")),
    *(("is not a valid float range", "is not a number"), ("is not a valid float", "is not a number")),
)
_LONGEST = 150  # of what help says of a command in one sentence
_HELP = frozenset(("-h", "--help"))
_EPILOG = """\b
Without a command: your own jobs. GPUQ_HOST names the daemon: unix:///path,
https://host:port or ssh://[user@]host[:port][/socket].
\b
Exit codes: 0 done, 1 error, 2 bad use, 3 no such job or tag, 4 not allowed,
5 no daemon, 130 interrupted, 141 nobody reads the output. `gpuq wait` and
`gpuq enqueue --wait` end with the job's own exit code."""


class Verbs(click.Group):
    """What stands below a word; a mistyped verb is refused with the nearest name."""

    def __init__(self, group: Group, **settings: Any) -> None:
        super().__init__(group.name, help=group.help, short_help=group.short_help, **settings)
        self._group = group

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order in which they are declared."""
        return self._group.names

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return one verb; None where there is no such name."""
        found = self._group.get(cmd_name)
        match found:
            case None:
                return None
            case Verb():
                return Declared(found)
            case Group():
                return Verbs(found)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands; what does not fit goes on in the next line, it is not cut."""
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, one.get_short_help_str(_LONGEST)) for name, one in found if one is not None])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that `args` begin with.

        Raises:
            UsageError: there is none.
        """
        known = self.list_commands(ctx)
        if args[0] not in known and not args[0].startswith("-"):
            from gpuq.cli.slurm import instead

            same = instead(args) if ctx.parent is None else None
            if same is not None:
                raise UsageError(f"There is no command {_shown(args[0])}; here it is {same}.")
            raise UsageError(
                f"There is no command {_shown(args[0])}; {_hint(args[0], known, f'{ctx.command_path} --help')}"
            )
        name, found, rest = super().resolve_command(ctx, args)
        if found is not None and _HELP & set(rest):
            from gpuq.cli.examples import epilog

            verb = f"{ctx.command_path} {name}".partition(" ")[2]
            found.epilog = found.epilog or epilog(verb)
        return name, found, rest


class Root(Verbs):
    """All of `gpuq`; its help loads no verb."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the tables of commands without importing them."""
        named = {verb for verbs in _SECTIONS.values() for verb in verbs}
        for section, verbs in _SECTIONS.items():
            chosen = verbs or tuple(verb for verb in COMMANDS if verb not in named)
            with formatter.section(section):
                formatter.write_dl([(verb, COMMANDS[verb]) for verb in chosen])


def _without_verb(as_json: bool) -> None:
    context = click.get_current_context()
    if context.invoked_subcommand is None:
        from gpuq.cli.queue import print_queue

        print_queue(is_mine=True, as_json=as_json)
    elif as_json:
        raise UsageError(f"Options go after the command: `gpuq {context.invoked_subcommand} --json`.")


root = Root(
    ROOT,
    callback=_without_verb,
    params=[
        click.Option(["--json", "as_json"], is_flag=True, help="Without a command: print a JSON array of your jobs.")
    ],
    invoke_without_command=True,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
click.version_option(__version__, "--version", "-V", message="gpuq %(version)s")(root)


def run(words: Sequence[str]) -> int:
    """Run a command line and return its exit code.

    Raises:
        GpuqError: what click refuses, as UsageError, or what the command came upon.
    """
    try:
        # not `root.main`: it ends the process by itself where nobody reads the output
        with root.make_context("gpuq", list(words)) as context:
            code: object = root.invoke(context)
    except click.exceptions.Exit as ended:  # --help has been printed
        return ended.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        from gpuq.cli import terminal

        terminal.say(error.format_message())
        return 0
    except click.ClickException as error:
        verb = next((f" {word}" for word in words[:1] if word in COMMANDS), "")
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else ""
        raise UsageError(sentence(error, max(f"gpuq{verb}", where, key=len))) from error
    return code if isinstance(code, int) else 0


def checked(words: Sequence[str]) -> None:
    """Look at a command line without running it.

    Raises:
        UsageError: it is none.
    """
    command: click.Command = root
    context, rest = click.Context(root, info_name="gpuq"), list(words)
    try:
        while isinstance(command, click.Group):
            name, found, rest = command.resolve_command(context, rest) if rest else (None, None, [])
            if name is None or found is None:
                raise UsageError(
                    f"`{context.command_path}` alone does nothing here; see `{context.command_path} --help`."
                )
            command = found
            if isinstance(found, click.Group):
                context = click.Context(found, parent=context, info_name=name)
        command.make_context(command.name, rest, parent=context)
    except click.exceptions.Exit as ended:  # --help, which would be printed again and again
        raise UsageError("--help does not belong into a batch.") from ended
    except click.ClickException as error:
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else context.command_path
        raise UsageError(sentence(error, where)) from error


def sentence(error: click.ClickException, command: str) -> str:
    """Return what was wrong with a command line and what would be right, as one sentence."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    if isinstance(error, click.NoSuchOption):
        return _no_such_option(error.option_name, context, command)
    message = " ".join(error.format_message().split()).rstrip(".")
    for clicks, ours in _NO_NUMBER:
        message = message.replace(clicks, ours)
    return f"{message}; see `{command} --help`."


def _no_such_option(name: str, context: click.Context | None, command: str) -> str:
    params = context.command.params if context else []
    names = {p.name for p in params}
    if _JOBS & names and name[1:2].isdigit():
        return f"{_shown(name)} is not a job number: give a whole number from 1, as `gpuq queue` shows."
    known = [option for p in params if isinstance(p, click.Option) for option in p.opts]
    needs, instead = _INSTEAD.get(name, (frozenset[str](), ""))
    if needs & {*known, *names}:
        return f"There is no option {_shown(name)}; {instead}"
    rest = " Words for the script go after `--`." if command.endswith("enqueue") else ""
    return f"There is no option {_shown(name)}; {_hint(name, known, command + ' --help')}{rest}"


def _hint(word: str, known: Sequence[str], help_command: str) -> str:
    alike = (name for names in _ALIKE if word in names for name in names)
    meant = next((name for name in (_MEANT.get(word), *alike) if name in known), None)
    return f"did you mean {meant}?" if meant is not None else hint(word, known, f"`{help_command}` lists them.")


def _shown(word: str) -> str:
    return f"'{fit(clean(word), 60)}'"
