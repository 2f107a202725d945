"""The tree of accounts: what was used against what is due."""

from __future__ import annotations

from collections.abc import Sequence

from gpuq.sharing import ShareRow
from gpuq.units import number
from gpuq_tui.lines.actions import Action
from gpuq_tui.lines.bars import used_of_due
from gpuq_tui.lines.duration import short
from gpuq_tui.lines.line import Line, Look, Tone, fit, line
from gpuq_tui.lists import Shares

_FIXED = 4 + 7 + 6 + 6 + 7 + 5 + 8  # the columns of numbers, with their spaces
OPEN = (
    line("  Nobody is in any account yet: everybody may queue, all alike."),
    line("  `:admin account add NAME` makes an account,"),
    line("  `:admin user add NAME --account NAME` puts somebody into it."),
)


def heading(width: int, look: Look) -> Line:
    """Return the names of the columns."""
    name, bar = _widths(width)
    numbers = "SHARES   USED    DUE  LEVEL  RANK  BACK IN"
    return line(f"  {fit('ACCOUNT / USER', name, look)} {numbers} {fit('USED OF DUE', bar, look)}", Tone.DIM)


def row(of: ShareRow, *, width: int, look: Look) -> Line:
    """Return one account or user, `!` where it has used more than is due."""
    name, bar = _widths(width)
    who = "  " * of.depth + (of.account if of.user is None else of.user)
    if of.depth == 0:
        return line(f"{fit(who, name, look)} everything: {of.usage / 3600:.1f} billing-hours, decayed", Tone.DIM)
    level = "inf" if of.is_first else number(of.level_fs) if of.level_fs is not None else "-"
    shares = "parent" if of.shares is None else str(of.shares)
    is_over = of.back_s is None or of.back_s > 0
    back = "!never" if of.back_s is None else f"!{short(of.back_s)}" if of.back_s > 0 else ""
    rank = "" if of.rank is None else str(of.rank)
    numbers = f" {shares:>6} {of.used:>6.1%} {of.due:>6.1%} {level[:6]:>6} {rank:>5} {back:>8} "
    tone = Tone.WARN if is_over else Tone.PLAIN
    return (
        (fit(who, name, look), Tone.STRONG if of.user is None else Tone.PLAIN),
        (numbers, tone),
        (used_of_due(of.used, of.due, bar), tone),
    )


def title(shares: Shares) -> str:
    """Return what the numbers are."""
    return f"Shares | usage halves in {shares.half_life_s / 86_400:g} days | # used  . due  ! beyond"


def rows_of(shares: Shares) -> Sequence[tuple[str, str | None]]:
    """Return what each row is about: the account, and the user in it if it is one."""
    return [(row.account, row.user) for row in shares.shares]


def share_actions(account: str, user: str | None) -> list[Action]:
    """Return what administrators can do with an account or a user in one."""
    who = account if user is None else f"{account}/{user}"
    shares = Action(key="s", deed="change its shares", words=("admin", "share", who, ""), is_open=True)
    limited = f"account:{account}" if user is None else f"user:{user}"
    limit = Action(key="l", deed="limit it", words=("admin", "limit", "set", limited, ""), is_open=True)
    own = _account_actions(account) if user is None else _member_actions(account, user)
    return [shares, limit, *own]


def _account_actions(account: str) -> list[Action]:
    into = ("admin", "user", "add", "--account", account, "")
    below = ("admin", "account", "add", "--parent", account, "")
    return [
        Action(key="u", deed="put a user into it", words=into, is_open=True),
        Action(key="a", deed="make an account below it", words=below, is_open=True),
        Action(key="x", deed="delete it", words=("admin", "account", "delete", account)),
    ]


def _member_actions(account: str, user: str) -> list[Action]:
    return [
        Action(key="d", deed="make this the default account", words=("admin", "user", "default", user, account)),
        Action(key="x", deed="take out of it", words=("admin", "user", "delete", user, "--account", account)),
    ]


def _widths(width: int) -> tuple[int, int]:
    """Return the cells of the names and of the bars."""
    spare = max(0, width - _FIXED - 4)
    name = max(14, min(28, spare // 2))
    return name, max(0, min(60, spare - name))
