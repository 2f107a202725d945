"""What the terminal can show, from the environment."""

from __future__ import annotations

from collections.abc import Mapping

from gpuq_tui.lines.line import Look

_COERCED = ("C.UTF-8", "C.utf8", "UTF-8")


def look_of(environ: Mapping[str, str], *, is_utf8_mode: bool) -> Look:
    """Return the signs to use: ASCII if GPUQ_ASCII is set (and not "0") or the locale is not UTF-8.

    No colours if NO_COLOR is set and not empty. Source: no-color.org.

    `is_utf8_mode` is `sys.flags.utf8_mode`: Python sets it, and LC_CTYPE in its own environment, when it was
    started in the C locale, so LC_CTYPE then says nothing about the terminal.

    Source: POSIX, "Internationalization Variables": LC_ALL, then LC_CTYPE, then LANG, empty as unset; PEP 538.
    """
    palette = "mono" if environ.get("NO_COLOR") else "ansi"
    asked = environ.get("GPUQ_ASCII", "")
    if asked:
        return Look(is_ascii=asked != "0", palette=palette)
    is_coerced = is_utf8_mode and environ.get("LC_CTYPE") in _COERCED
    names = ("LC_ALL", "LANG") if is_coerced else ("LC_ALL", "LC_CTYPE", "LANG")
    locale = next((environ[name] for name in names if environ.get(name)), "C")
    return Look(palette=palette, is_ascii="utf8" not in locale.lower().replace("-", ""))
