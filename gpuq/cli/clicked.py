"""Makes click's commands of what verbs declare."""

from __future__ import annotations

import click

from gpuq.cli import declare

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Declared(click.Command):
    """A verb as click reads it."""

    def __init__(self, verb: declare.Verb) -> None:
        super().__init__(
            verb.name,
            callback=verb.run,
            params=[_param(one) for one in verb.params],
            help=verb.help,
            short_help=verb.short_help,
            add_help_option=verb.has_help,
            context_settings={"ignore_unknown_options": verb.takes_unknown},
        )
        self.verb = verb

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read a command line, and let the verb look at it.

        Raises:
            UsageError: the verb refuses it.
        """
        if self.verb.before is not None:
            args = self.verb.before(args)
        words = list(args)
        left = super().parse_args(ctx, args)
        if self.verb.after is not None:
            self.verb.after(words, ctx.params)
        return left


def _param(one: declare.Param) -> click.Parameter:
    if isinstance(one, declare.Argument):
        return click.Argument(
            [one.name],
            metavar=one.metavar,
            nargs=-1 if one.is_rest else 1,
            required=one.required,
            type=_type(one),
        )
    assert isinstance(one, declare.Option)
    settings: dict[str, Any] = {}
    if one.default is not None or one.flag_value is not None:
        settings["default"] = one.default
    if one.flag_value is not None:
        settings["flag_value"] = one.flag_value
        settings["is_flag"] = not one.takes_value
        if one.off or one.flag_value is True:
            del settings["flag_value"]
    if one.joined_by is not None:
        settings["callback"] = _joining(one.joined_by)
    return click.Option(
        list(one.names),
        help=one.help,
        metavar=one.metavar,
        required=one.required,
        type=_type(one),
        multiple=one.multiple,
        show_default=one.show_default,
        **settings,
    )


def _type(one: declare.Param) -> Any:
    match one.type:
        case declare.Choice(choices=choices):
            return click.Choice(choices)
        case declare.IntRange(min=least, max=most):
            return click.IntRange(least, most)
        case declare.FloatRange(min=least, max=most):
            return click.FloatRange(least, most)
        case plain:
            return plain


def _joining(between: str) -> Any:
    """Return what makes one word of an option that may be given more than once."""

    def joined(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> str | None:
        return between.join(given) if given else None

    return joined
