"""`gpuqd.toml` as values: its tables with their keys, taken from the types that read it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from gpuq_daemon.config import Config
from reference.words import WORDS

_BEYOND_CARE = 2**31  # a bound that only keeps numbers within what a database can hold

Schema = dict[str, Any]
_ENGINES = {
    "EmbeddedPartition": "embedded",
    "StandalonePartition": "standalone",
    "YarnPartition": "yarn",
    "KubernetesPartition": "kubernetes",
}
_NAMES = {
    "WeightsTable": "scheduler.weights",
    "BillingTable": "scheduler.billing",
    "VolumeTable": "partition.NAME.volume",
    "HooksTable": "hooks",
    "HookTable": "hooks.prolog",
    "HealthTable": "hooks.health_check",
    "NodeHookTable": "hooks.node_prolog",
    "FilterTable": "hooks.submit_filter",
    "JobDefaults": "defaults.user.NAME",
}


@dataclass(frozen=True)
class Key:
    """A key of a table: what it may be, what it is without being set (None: it is needed), and a few words."""

    name: str
    kind: str
    default: str | None
    words: str


@dataclass(frozen=True)
class Table:
    """A table of the file: its head as it is written there ("" for the top), what it is about, and its keys."""

    head: str
    about: str
    keys: tuple[Key, ...]


def tables() -> tuple[Table, ...]:
    """Return all tables of `gpuqd.toml`, those of the engines last."""
    _, components = msgspec.json.schema_components((Config,))
    made = (_table(name, schema, components) for name, schema in components.items())
    found = [table for table in made if table.keys]
    return tuple(sorted(found, key=lambda table: (table.head.startswith("[partition"), table.head)))


def without_words() -> tuple[str, ...]:
    """Return the keys that nothing is said of, and what is said of keys that there are not."""
    _, components = msgspec.json.schema_components((Config,))
    there = {f"{name}.{key}" for name, schema in components.items() for key in schema["properties"] if key != "engine"}
    told = {f"{name}.{key}" for name, keys in WORDS.items() for key in keys}
    return tuple(sorted(there ^ told))


def _table(name: str, schema: Schema, components: dict[str, Schema]) -> Table:
    about = " ".join(str(schema.get("description", "")).split("\n\n")[0].split())
    return Table(_head(name, components), about, tuple(_keys(name, schema)))


def _head(name: str, components: dict[str, Schema]) -> str:
    if name == "Config":
        return ""
    if name in _ENGINES:
        return f'[partition.NAME] with engine = "{_ENGINES[name]}"'
    key = _NAMES.get(name) or next(
        key for key, schema in components["Config"]["properties"].items() if _refers(schema) == name
    )
    return f"[{key}]"


def _keys(name: str, schema: Schema) -> Iterator[Key]:
    needed = schema.get("required", ())
    for key, of in schema["properties"].items():
        if key == "engine" or (_refers(of) and key not in needed) or (name, key) == ("Config", "partition"):
            continue
        default = None if key in needed else _toml(of.get("default"))
        yield Key(key, _kind(of), default, WORDS.get(name, {}).get(key, ""))


def _refers(of: Schema) -> str | None:
    """Return the table that a key is, if it is one."""
    one = of.get("allOf", [of])[0]
    return one["$ref"].rpartition("/")[2] if "$ref" in one else None


def _kind(of: Schema) -> str:
    if "anyOf" in of:
        kinds = [_kind(one) for one in of["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in of:
        return " or ".join(_toml(value) for value in of["enum"] if value is not None)
    if _refers(of):
        return "a table"
    match of.get("type"):
        case "integer" | "number" as kind:
            return ("a whole number" if kind == "integer" else "a number") + _bounds(of)
        case "boolean":
            return "true or false"
        case "array":
            return "a list"
        case "object":
            return "a table of " + _kind(of["additionalProperties"])
        case _:
            return "text"


def _bounds(of: Schema) -> str:
    least, most, above = of.get("minimum"), of.get("maximum"), of.get("exclusiveMinimum")
    if least is not None and most is not None and most < _BEYOND_CARE:
        return f" from {_number(least)} to {_number(most)}"
    if above is not None:
        return f" above {_number(above)}"
    return "" if least is None else f" from {_number(least)}"


def _number(value: float) -> str:
    return f"{value:.15g}"


def _toml(value: object) -> str:
    """Return a value as TOML has it; nothing for what TOML has no word for."""
    return "" if value is None else json.dumps(value)
