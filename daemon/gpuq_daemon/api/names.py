"""Names that operators give: such that commands, paths and lists can hold them."""

from __future__ import annotations

import re

from gpuq.errors import UsageError
from gpuq.text import clean, fit, is_clean

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
_USER = re.compile(r"[^\s/:,=%?#-][^\s/:,=%?#]{0,63}")
_LONGEST_REASON = 200


def checked_name(text: str, what: str) -> str:
    """Return the name of a new `what` ("account").

    Raises:
        UsageError: it cannot be one.
    """
    if _NAME.fullmatch(text):
        return text
    raise UsageError(
        f"'{fit(clean(text), 40)}' cannot be the name of {'an' if what[0] in 'aeiou' else 'a'} {what}: "
        "use letters, digits, - _ and ., at most 32, a letter or a digit first."
    )


def checked_user(text: str) -> str:
    """Return a user's login name; the user need not exist on this machine (yet).

    Raises:
        UsageError: it cannot be one.
    """
    if _USER.fullmatch(text) and is_clean(text):
        return text
    raise UsageError(f"'{fit(clean(text), 40)}' cannot be a user: give a login name, without spaces and / : , =.")


def checked_reason(text: str) -> str:
    """Return why a node is drained, as one line.

    Raises:
        UsageError: it is empty, too long, or more than plain text.
    """
    reason = text.strip()
    if reason and len(reason) <= _LONGEST_REASON and is_clean(reason):
        return reason
    raise UsageError(f"A drain needs a reason that others can read: one line of at most {_LONGEST_REASON} letters.")
