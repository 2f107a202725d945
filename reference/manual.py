"""Manual pages: gpuq(1) with one for each verb, gpuqd(8), gpuqd.toml(5). Source of the format: man(7), roff(7)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gpuq import __version__
from gpuq.cli.commands import COMMANDS
from reference.commands import Verb, verbs
from reference.settings import Table, tables

_FILES_AND_ENVIRONMENT = (
    ("GPUQ_HOST", "The daemon: unix:///path, https://host:port or ssh://[user@]host[:port][/socket]."),
    ("GPUQ_SOCKET", "The daemon's socket. Without both it is /run/gpuq/gpuqd.sock."),
    ("GPUQ_TOKEN_FILE", "The token for HTTPS. [~/.config/gpuq/token]"),
    ("GPUQ_CA", "The certificate that vouches for the daemon's. [~/.config/gpuq/ca.pem]"),
    ("GPUQ_ASCII", "1: only ASCII is printed. NO_COLOR is heeded, too."),
)


def pages() -> dict[str, str]:
    """Return every manual page by its place below share/man."""
    client, daemon = verbs()
    found = {"man1/gpuq.1": _root(client), "man8/gpuqd.8": _daemon(daemon), "man5/gpuqd.toml.5": _settings(tables())}
    for verb in client.below:
        found[f"man1/gpuq-{verb.words[-1]}.1"] = _verb(verb)
    return found


def escaped(text: str) -> str:
    """Return text as roff prints it as it is: no line of it is a request, no letter of it an escape."""
    shown = (
        text.replace("\\", "\\e").replace("-", "\\-").replace("`", "\\(ga").replace("^", "\\(ha").replace("~", "\\(ti")
    )
    return "\n".join(f"\\&{line}" if line[:1] in (".", "'") else line for line in shown.splitlines())


def _head(name: str, section: int, short: str) -> Iterator[str]:
    yield f'.TH "{escaped(name.upper())}" {section} "" "gpuq {escaped(__version__)}" "gpuq"'
    yield ".SH NAME"
    yield f"{escaped(name)} \\- {escaped(short)}"


def _synopsis(found: Sequence[Verb]) -> Iterator[str]:
    yield ".SH SYNOPSIS"
    for number, verb in enumerate(found):
        if number:
            yield ".br"
        yield f".B {escaped(verb.name)}"
        yield escaped(verb.usage.removeprefix(verb.name).strip())


def _body(verb: Verb) -> Iterator[str]:
    for number, paragraph in enumerate(verb.paragraphs):
        if number:
            yield ".PP"
        yield from (".nf", escaped(paragraph.text), ".fi") if paragraph.is_verbatim else (escaped(paragraph.text),)


def _options(options: Sequence[tuple[str, str]]) -> Iterator[str]:
    for names, words in options:
        yield ".TP"
        yield f".B {escaped(names)}"
        yield escaped(" ".join(words.split())) or "\\&"


def _examples(found: Sequence[tuple[str, str]]) -> Iterator[str]:
    if found:
        yield ".SH EXAMPLES"
    for line, words in found:
        yield ".TP"
        yield f".B {escaped(line)}"
        yield escaped(words[:1].upper() + words[1:]) or "\\&"


def _see_also(*names: str) -> Iterator[str]:
    yield ".SH SEE ALSO"
    for number, name in enumerate(names):
        page, _, section = name.partition("(")
        yield f".BR {escaped(page)} ({section}{',' if number < len(names) - 1 else ''}"


def _verb(verb: Verb) -> str:
    found = [one for one in verb.all() if not one.below]
    lines = [*_head("-".join(verb.words), 1, verb.short), *_synopsis(found if verb.below else [verb])]
    lines += [".SH DESCRIPTION", *_body(verb), ".SH OPTIONS", *_options(verb.options)]
    for one in found if verb.below else ():
        lines += [f'.SS "{escaped(one.name)}"', *_body(one), *_options(one.options)]
    examples = [example for one in verb.all() for example in one.examples]
    return "\n".join([*lines, *_examples(examples), *_see_also("gpuq(1)"), ""])


def _root(client: Verb) -> str:
    lines = [*_head("gpuq", 1, "queue TensorFlow training on a shared Spark GPU cluster")]
    lines += [*_synopsis([client]), ".SH DESCRIPTION", *_body(client), ".SH OPTIONS", *_options(client.options)]
    lines += [
        ".SH COMMANDS",
        *_options([(name, f"{words.rstrip('.')}: gpuq-{name}(1).") for name, words in COMMANDS.items()]),
    ]
    lines += [".SH ENVIRONMENT", *_options(_FILES_AND_ENVIRONMENT)]
    return "\n".join([*lines, *_see_also("gpuqd(8)", "gpuqd.toml(5)"), ""])


def _daemon(daemon: Verb) -> str:
    lines = [*_head("gpuqd", 8, "the daemon that keeps gpuq's queue"), *_synopsis(daemon.below)]
    lines += [".SH DESCRIPTION", *_body(daemon)]
    for verb in daemon.below:
        lines += [f'.SS "{escaped(verb.name)}"', *_body(verb), *_options(verb.options)]
    return "\n".join([*lines, *_see_also("gpuq(1)", "gpuqd.toml(5)"), ""])


def _settings(found: Sequence[Table]) -> str:
    lines = [*_head("gpuqd.toml", 5, "what an operator of gpuqd decides"), ".SH DESCRIPTION"]
    lines.append("TOML. An unknown key is refused; gpuqd check says what is wrong, gpuqd reload takes up most changes.")
    for table in found:
        lines.append(f'.SH "{escaped(table.head.replace(chr(34), chr(39)) or "at the top")}"')
        for key in table.keys:
            without = "Needed." if key.default is None else f"Default: {key.default}." if key.default else ""
            lines += [
                ".TP",
                f".B {escaped(key.name)}",
                escaped(f"{key.words} {key.kind.capitalize()}. {without}".strip()),
            ]
    return "\n".join([*lines, *_see_also("gpuqd(8)"), ""])
