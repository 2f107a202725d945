"""The pages of the site's reference, made from the code: commands, configuration, API, metrics, words."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from gpuq.cli.views.columns import COLUMNS
from gpuq.filters import NUMBERS, TEXTS
from gpuq.models import EndReason, JobState, Reason, SignalKind
from gpuq.states import SHORT_STATES
from gpuq_daemon.policy.lifecycle import TRANSITIONS
from reference.commands import Verb, verbs
from reference.settings import tables
from reference.words import EXIT_CODES, REASONS, STATES

ROOT = Path(__file__).resolve().parents[1]
_METRIC = re.compile(r"(?:gpuq|process)_[a-z_]+")
_TELEMETRY = ROOT / "daemon" / "gpuq_daemon" / "api" / "telemetry.py"


def pages() -> dict[str, str]:
    """Return every page by its place in the site."""
    client, daemon = verbs()
    return {
        "reference/gpuq.md": _commands(client),
        "reference/gpuqd.md": _commands(daemon),
        "reference/gpuqd.toml.md": _settings(),
        "reference/api.md": _routes(json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))),
        "reference/metrics.md": _metrics(),
        "reference/words.md": _words(),
    }


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _commands(command: Verb) -> str:
    return (
        "\n\n".join(f"{'#' * min(len(verb.words), 3)} {verb.name}\n\n{_command(verb)}" for verb in command.all()) + "\n"
    )


def _command(verb: Verb) -> str:
    parts = [f"    {verb.usage}"]
    parts += [_indented(one.text) if one.is_verbatim else one.text.replace("<", "&lt;") for one in verb.paragraphs]
    if verb.examples:
        width = max(len(line) for line, _ in verb.examples)
        parts.append(_indented("\n".join(f"{line:<{width}}  # {words}".rstrip(" #") for line, words in verb.examples)))
    parts.append(
        _table(("option", "means"), ((_code(names), " ".join(words.split())) for names, words in verb.options))
    )
    return "\n\n".join(parts)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


def _settings() -> str:
    parts = [
        "# gpuqd.toml",
        "Unknown keys are refused. [Running gpuqd](../operations.md#reload) says which count at once.",
    ]
    for table in tables():
        rows = ((_code(key.name), key.words, key.kind, _default(key.default)) for key in table.keys)
        parts += [f"## {table.head or 'At the top'}", _table(("key", "means", "is", "without it"), rows)]
    return "\n\n".join(parts) + "\n"


def _default(value: str | None) -> str:
    return "*needed*" if value is None else _code(value)


def _routes(document: dict[str, Any]) -> str:
    rows = (
        (
            f"`{method.upper()} {path}`",
            ", ".join(_code(one["name"]) for one in route.get("parameters", ())),
            _said(route),
        )
        for path, methods in sorted(document["paths"].items())
        for method, route in methods.items()
        if "operationId" in route
    )
    about = "Every route. [The API](../api.md) tells how they are used; [openapi.json](../openapi.json) has all types."
    return f"# Routes\n\n{about}\n\n{_table(('route', 'parameters', 'does'), rows)}\n"


def _said(route: dict[str, Any]) -> str:
    return " ".join(str(route.get("description", "")).split("\n\n")[0].split()).replace("<", "&lt;")


def _metrics() -> str:
    about = "What `/metrics` has, in Prometheus' text format: totals are counters, seconds are histograms."
    return (
        f"# Metrics\n\n{about}\n\n{_table(('metric', 'means'), ((_code(name), words) for name, words in metrics()))}\n"
    )


def metrics() -> Iterator[tuple[str, str]]:
    """Yield each metric and what it means, as they stand side by side in the source."""
    for node in ast.walk(ast.parse(_TELEMETRY.read_text(encoding="utf-8"))):
        side_by_side = node.elts if isinstance(node, ast.Tuple) else node.args if isinstance(node, ast.Call) else ()
        match side_by_side:
            case [ast.Constant(value=str(name)), ast.Constant(value=str(words)), *_] if _METRIC.fullmatch(name):
                yield name, words
            case _:
                pass


def _words() -> str:
    states = ((_code(state), _code(SHORT_STATES[state]), STATES[state]) for state in JobState)
    follows = ((_code(state), event, _code(step.state)) for (state, event), step in TRANSITIONS.items())
    signals = ", ".join(_code(kind) for kind in SignalKind)
    return "\n\n".join([
        "# States, reasons, codes, columns",
        "## States",
        _table(("state", "short", "means"), states),
        "## What follows what",
        "A pair that is not here cannot happen.",
        _table(("in", "on", "comes"), follows),
        "## Reasons to wait",
        _table(("reason", "means"), ((_code(reason), REASONS[reason]) for reason in Reason)),
        "## Reasons for an end",
        f"{', '.join(map(_code, EndReason))}: [what they mean](../training.md#stopping-and-going-on-after-an-end).",
        "## Signals, for --stop-on",
        f"{signals}: [what they mean](../tracing.md).",
        "## Exit codes",
        _table(("code", "means"), EXIT_CODES),
        "## Fields of a filter",
        f"Words: {', '.join(map(_code, TEXTS))}. Numbers: {', '.join(map(_code, NUMBERS))}.",
        "[The language](../queue.md) has examples.",
        "## Columns of -o",
        ", ".join(map(_code, COLUMNS)) + ".\n",
    ])  # fmt: skip
