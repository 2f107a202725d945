"""Foreign text - names, log lines, errors, paths - made safe to show on a terminal.

Whoever can name a job or write a log could otherwise move the cursor, set the title, or turn the order of
letters around in the terminal of everybody who looks. Nothing is dropped: what is not printable is shown as
the escape that Python would write, so the reader sees that it was there.
"""

from __future__ import annotations

_NAMED = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
_MANY = 16
_FORMULA = ("=", "+", "-", "@")


def clean(text: str, *, keep: str = "") -> str:
    r"""Return `text` with every unprintable character as an escape (`\x1b`, `\u202e`), except in `keep`.

    Unprintable are controls (C0, C1, DEL), format characters (bidirectional overrides, zero width), line and
    paragraph separators, private and unassigned code points and lone surrogates. Other spaces become a space.

    Source: Unicode general categories Cc, Cf, Cs, Co, Cn, Zl, Zp and Zs, as `str.isprintable` has them.
    """
    if text.isprintable():
        return text
    strange = {ord(c): _escape(c) for c in set(text) if not c.isprintable() and c not in keep}
    if len(strange) > _MANY:
        return text.translate(strange)
    for code, shown in strange.items():  # a log has few kinds of them, and is long
        text = text.replace(chr(code), shown)
    return text


def clean_log(text: str) -> str:
    r"""Return log text with only `\n` and `\t` left of all controls; a carriage return ends a line.

    Progress bars rewrite their line with a bare `\r`: as lines of their own they stay readable.
    """
    return clean(text.replace("\r\n", "\n").replace("\r", "\n"), keep="\n\t")


def is_clean(text: str) -> bool:
    """Whether `text` can be shown as it is."""
    return text.isprintable()


def display_width(text: str) -> int:
    """Return the terminal cells clean `text` takes: East Asian wide letters two, combining marks none."""
    if text.isascii():
        return len(text)
    import unicodedata  # a megabyte of tables, for names that need it only

    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def fit(text: str, width: int, *, mark: str = "…") -> str:
    """Return clean `text` cut to at most `width` cells; a cut is shown by `mark` (one cell, or none) at its end."""
    if display_width(text) <= width:
        return text
    kept, used = "", 0
    for c in text:
        used += display_width(c)
        if used > width - len(mark):
            break
        kept += c
    return kept + mark if width > 0 else ""


def pad(text: str, width: int, *, right: bool = False) -> str:
    """Return clean `text` filled with spaces to `width` cells, on the left where it stands `right`."""
    space = " " * max(0, width - display_width(text))
    return space + text if right else text + space


def _escape(c: str) -> str:
    code = ord(c)
    if c.isspace() and code >= 0xA0 and code not in (0x2028, 0x2029):
        return " "
    if c in _NAMED:
        return _NAMED[c]
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def inert(cell: str) -> str:
    """Return a cell of CSV with a `'` in front where a spreadsheet would run it. Source: OWASP, "CSV Injection"."""
    if cell[:1] not in _FORMULA or cell == "-":
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell
