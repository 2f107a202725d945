"""What verbs take, declared in click's words without click, which costs more to load than most verbs take.

`gpuq.cli.reading` reads a command line by these declarations where nothing is odd about it; `gpuq.cli.clicked` makes
click's own commands of them, for help, for mistakes and for whatever is odd.
"""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` costs milliseconds of every command
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, TypeAlias, TypeVar

    F = TypeVar("F", bound=Callable[..., object])
    Kind: TypeAlias = "Choice | IntRange | FloatRange | type[int] | type[float] | None"


class Choice:
    """One of a few words."""

    def __init__(self, choices: Sequence[str]) -> None:
        self.choices = tuple(choices)


class IntRange:
    """A whole number within bounds, ends included; None is no bound."""

    def __init__(self, min: int | None = None, max: int | None = None) -> None:
        self.min, self.max = min, max


class FloatRange:
    """A number within bounds, ends included; None is no bound."""

    def __init__(self, min: float | None = None, max: float | None = None) -> None:
        self.min, self.max = min, max


class Param:
    """What options and arguments share: the name that a verb gets it by, and how its words are read."""

    def __init__(self, name: str, *, metavar: str | None, required: bool, type: Kind) -> None:
        self.name, self.metavar, self.required, self.type = name, metavar, required, type


class Argument(Param):
    """A word without a name; with `is_rest` all that are left, as a tuple."""

    def __init__(self, name: str, *, metavar: str | None, is_rest: bool, required: bool, type: Kind) -> None:
        super().__init__(name, metavar=metavar, required=required, type=type)
        self.is_rest = is_rest


class Option(Param):
    """An option: `on` are the names that give or turn it on, `off` those that turn it off.

    `flag_value` is what it is where no value was given; without `takes_value` none can be. With `joined_by` it may be
    given more than once, and becomes one word; with `multiple` a tuple.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        help: str,
        metavar: str | None,
        required: bool,
        type: Kind,
        default: Any,
        flag_value: Any,
        takes_value: bool,
        multiple: bool,
        joined_by: str | None,
        show_default: bool,
    ) -> None:
        dashed = [name for name in names if name.startswith("-")]
        self.names = tuple(names)
        self.on = tuple(name.partition("/")[0] for name in dashed)
        self.off = tuple(name.partition("/")[2] for name in dashed if "/" in name)
        own = next((name for name in names if not name.startswith("-")), None)
        longest = next((name for name in self.on if name.startswith("--")), self.on[0])
        super().__init__(
            longest.lstrip("-").replace("-", "_") if own is None else own,
            metavar=metavar,
            required=required,
            type=type,
        )
        self.help, self.default, self.flag_value, self.takes_value = help, default, flag_value, takes_value
        self.multiple, self.joined_by, self.show_default = multiple, joined_by, show_default


class Verb:
    """A verb: what it runs with what was asked, by the names of `params`.

    `before` may rewrite a command line before it is read, `after` look at what was read of it, and refuse it. Where it
    `takes_unknown`, an option that it does not declare is a word like others, `--help` too if it has no help.
    """

    def __init__(
        self,
        name: str,
        run: Callable[..., object],
        *,
        short_help: str | None,
        before: Callable[[list[str]], list[str]] | None,
        after: Callable[[list[str], Mapping[str, Any]], None] | None,
        takes_unknown: bool,
        has_help: bool,
    ) -> None:
        self.name, self.run, self.help, self.short_help = name, run, run.__doc__, short_help
        self.before, self.after, self.takes_unknown, self.has_help = before, after, takes_unknown, has_help
        self.params: Sequence[Param] = params_of(run)


class Group:
    """Verbs below a word, by name: those declared here, and those of `modules`, which are imported when wanted.

    A module `gpuq.cli.commands.admin.eta_report` has its verb as `command`.
    """

    def __init__(self, name: str, *, help: str | None, short_help: str | None, modules: Mapping[str, str]) -> None:
        self.name, self.help, self.short_help = name, help, short_help
        self._modules, self._verbs = modules, dict[str, Verb]()

    @property
    def names(self) -> list[str]:
        """The verbs, in the order in which they are declared."""
        return [*self._modules, *self._verbs]

    def get(self, name: str) -> Verb | Group | None:
        """Return a verb; None where there is no such name."""
        if name in self._modules:
            found: Verb | Group = __import__(self._modules[name], fromlist=("command",)).command
            return found
        return self._verbs.get(name)

    def command(self, name: str, *, short_help: str | None = None) -> Callable[[Callable[..., object]], Verb]:
        """Declare a verb of this group."""

        def declared(run: Callable[..., object]) -> Verb:
            self._verbs[name] = verb = command(name, short_help=short_help)(run)
            return verb

        return declared


def command(
    name: str,
    *,
    short_help: str | None = None,
    before: Callable[[list[str]], list[str]] | None = None,
    after: Callable[[list[str], Mapping[str, Any]], None] | None = None,
    takes_unknown: bool = False,
    has_help: bool = True,
) -> Callable[[Callable[..., object]], Verb]:
    """Declare a verb; its help is the function's docstring."""
    return lambda run: Verb(
        name,
        run,
        short_help=short_help,
        before=before,
        after=after,
        takes_unknown=takes_unknown,
        has_help=has_help,
    )


def group(
    name: str, *, short_help: str | None = None, modules: Mapping[str, str] | None = None
) -> Callable[[Callable[[], None]], Group]:
    """Declare a word that verbs stand below; its help is the function's docstring."""
    return lambda run: Group(name, help=run.__doc__, short_help=short_help, modules=modules or {})


def argument(
    name: str, *, metavar: str | None = None, nargs: int = 1, required: bool | None = None, type: Kind = None
) -> Callable[[F], F]:
    """Declare an argument; with `nargs` -1 all words that are left, which may be none unless it is required."""
    is_rest = nargs == -1
    is_required = not is_rest if required is None else required
    return _declares(Argument(name, metavar=metavar, is_rest=is_rest, required=is_required, type=type))


def option(
    *names: str,
    help: str = "",
    metavar: str | None = None,
    required: bool = False,
    type: Kind = None,
    default: Any = None,
    is_flag: bool | None = None,
    flag_value: Any = None,
    multiple: bool = False,
    joined_by: str | None = None,
    show_default: bool = False,
) -> Callable[[F], F]:
    """Declare an option, as click's decorator does; one with `is_flag` False and a `flag_value` may have a value."""
    is_switch = bool(is_flag) or any("/" in name for name in names)
    if is_switch:
        flag_value = True
        default = False if default is None and is_flag is not None else default
    return _declares(
        Option(
            names,
            help=help,
            metavar=metavar,
            required=required,
            type=type,
            default=default,
            flag_value=flag_value,
            takes_value=flag_value is None or is_flag is False,
            multiple=multiple or joined_by is not None,
            joined_by=joined_by,
            show_default=show_default,
        )
    )


def params_of(run: Callable[..., object]) -> list[Param]:
    """Return what is declared of a function, in the order in which it reads."""
    return list(reversed(run.__dict__.get("params", ())))


def in_place_of(other: Callable[..., object], run: F) -> F:
    """Return `run` with all that is declared of another function, whose place it takes, and with its help."""
    run.__doc__ = other.__doc__
    run.__dict__["params"] = [*other.__dict__.get("params", ()), *run.__dict__.get("params", ())]
    return run


def _declares(param: Param) -> Callable[[F], F]:
    def declared(run: F) -> F:
        run.__dict__.setdefault("params", []).append(param)
        return run

    return declared
