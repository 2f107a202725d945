"""What the terminal can show, from the environment."""

from __future__ import annotations

from collections.abc import Mapping

from gpuq_tui.lines.line import Look


def look_of(environ: Mapping[str, str]) -> Look:
    """Return the signs to use: ASCII if GPUQ_ASCII is set (and not "0") or the locale is not UTF-8.

    Source: POSIX, "Internationalization Variables": LC_ALL, then LC_CTYPE, then LANG, empty as unset.
    """
    asked = environ.get("GPUQ_ASCII", "")
    if asked:
        return Look(is_ascii=asked != "0")
    locale = next((environ[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if environ.get(name)), "C")
    return Look(is_ascii="utf8" not in locale.lower().replace("-", ""))
