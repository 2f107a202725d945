"""A changed configuration, taken up while gpuqd runs: what differs, what counts at once, what needs a restart."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from gpuq.diagnosis import ConfigChange
from gpuq.errors import UsageError
from gpuq.text import clean, fit
from gpuq_daemon.config import Config, load

logger = logging.getLogger(__name__)

# Whatever is not named here is read once, at the start. What is decided when a job is queued, started or removed
# (log_uri, [owners], [limits], [retention]) counts from the next one on; jobs that run go on as they were started.
_LIVE = re.compile(
    r"cluster_name|log_uri|default_partition|kill_wait_s|preempt_grace_s|configuring_limit_s|silent_after_s|sample_every_s|idle_after_s|max_script_kib|max_pending_jobs|min_free_mib|log_level"
    r"|(scheduler|owners|limits|roles|privacy|audit|retention|notify|hooks|defaults)\..+|listen\.(requests_per_s|request_burst)"
    r"|partition\.[^.]+\.(priority|gpu_type|log_uri)"
)
_SECRET = re.compile(r"(secret|password|token)$")


def may_change_live(key: str) -> bool:
    """Return whether a setting, by its dotted key, counts as soon as it is read again."""
    return _LIVE.fullmatch(key) is not None


def differences(old: Config, new: Config) -> tuple[ConfigChange, ...]:
    """Return every key whose value differs, in the configuration's order; a partition that comes or goes is one."""
    before, after = dict(settings_of(old)), dict(settings_of(new))
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    come_or_gone = {f"partition.{name}" for name in old.partition.keys() ^ new.partition.keys()}
    return tuple(
        ConfigChange(
            key=key,
            old=_shown(key, before.get(key)),
            new=_shown(key, after.get(key)),
            is_live=may_change_live(key),
        )
        for key in keys
        if key in come_or_gone or key.rpartition(".")[0] not in come_or_gone
    )


def apply(running: Config, new: Config) -> tuple[ConfigChange, ...]:
    """Change `running`, which everybody holds, in all that may change live, and return what differs.

    A configuration is frozen for everybody else. Nothing waits in here, so the event loop sees all of it or nothing.
    """
    found = differences(running, new)
    merged = _merged(running, new, "")
    for name in running.__struct_fields__:
        structs.force_setattr(running, name, getattr(merged, name))
    return found


def summary(changes: Iterable[ConfigChange]) -> str:
    """Return changes as the record of changes has them: `key old -> new`, those that wait for a restart said to."""
    parts = (
        f"{change.key} {change.old or 'none'} -> {change.new or 'none'}{'' if change.is_live else ' (after a restart)'}"
        for change in changes
    )
    return ", ".join(parts) or "nothing"


class Reloader:
    """Reads the configuration's file again when asked. `applied` is called after anything has changed live."""

    def __init__(self, running: Config, file: Path | None, *, applied: Callable[[], None]) -> None:
        self._running = running
        self._file = file
        self._applied = applied

    def reload(self) -> tuple[ConfigChange, ...]:
        """Take up what the file says now and return what differs from what counted until now.

        Raises:
            UsageError: the file is wrong; nothing was changed.
        """
        if self._file is None:
            raise UsageError("This gpuqd was not started from a file, so there is nothing to read again.")
        found = apply(self._running, load(self._file))
        for change in found:
            said = {"key": change.key, "old": change.old, "new": change.new}
            logger.info("setting changed" if change.is_live else "setting waits for a restart", extra=said)
        if any(change.is_live for change in found):
            self._applied()
        return found

    def reload_by_signal(self) -> tuple[str | None, str | None]:
        """Reload, log what is wrong, for nobody else is there to be told, and return (what changed, what was wrong)."""
        try:
            found = self.reload()
        except UsageError as error:
            logger.error("reload refused", extra={"error": str(error)})
            return None, str(error)
        logger.info("reloaded", extra={"changes": len(found)})
        return summary(found), None


def _merged(old: Any, new: Any, key: str) -> Any:
    """Return `old` with what may change live as it is in `new`; no value of either is changed."""
    if isinstance(old, Struct):
        if type(old) is not type(new):
            return old  # another engine under the same name
        prefix = f"{key}." if key else ""
        fields = old.__struct_fields__
        return structs.replace(old, **{f: _merged(getattr(old, f), getattr(new, f), f"{prefix}{f}") for f in fields})
    if key == "partition":
        partitions: dict[str, Any] = old
        return {name: _merged(one, new.get(name), f"{key}.{name}") for name, one in partitions.items()}
    return new if may_change_live(key) else old


def settings_of(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, value) of all settings; a partition's own key stands for its engine."""
    if isinstance(value, Struct):
        if value.__struct_config__.tag is not None:
            yield key, value.__struct_config__.tag
        for name in value.__struct_fields__:
            yield from settings_of(getattr(value, name), f"{key}.{name}" if key else name)
    elif key == "partition":
        for name, one in value.items():
            yield from settings_of(one, f"{key}.{name}")
    else:
        yield key, value


def _shown(key: str, value: Any) -> str | None:
    """Return a value as a person reads it, None for one that is not set; no secrets."""
    if value is None or _SECRET.search(key):
        return None if value is None else "(secret)"
    return fit(clean(str(value)), 200)
