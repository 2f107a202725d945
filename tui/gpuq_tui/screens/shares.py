"""The accounts and what they have used of what is due to them."""

from __future__ import annotations

from collections.abc import Sequence

from gpuq.models import JobState
from gpuq.sharing import ShareRow
from gpuq_tui.lines.actions import Action
from gpuq_tui.lines.bars import used_of_due
from gpuq_tui.lines.duration import short
from gpuq_tui.lines.line import Tone, line
from gpuq_tui.lines.shares import OPEN, heading, row, rows_of, share_actions, title
from gpuq_tui.screens.rows_view import RowsView


class SharesScreen(RowsView):
    """View 3: the tree of accounts."""

    name_of_view = "shares"
    lists = ("shares",)

    def keys(self) -> str:
        """Return the commonest keys."""
        return "jk move  enter what can be done  y copy  : command  ? help  q queue"

    def actions(self) -> Sequence[Action]:
        """Return what administrators can do with the account or user."""
        of = self._row()
        return () if of is None else share_actions(of.account, of.user)

    def offers(self) -> Sequence[tuple[str, str]]:
        """Return the name under the cursor."""
        of = self._row()
        return () if of is None else (("account", of.account), *(() if of.user is None else (("user", of.user),)))

    def show_rows(self) -> None:
        """Show the tree."""
        shares, width = self.known.shares, self.table.size.width - 2
        if shares is None:
            self.table.show_rows((), (), title="Shares", nothing=self.missing())
            return
        lines = [row(of, width=width, look=self.look) for of in shares.shares]
        self.table.show_rows(
            rows_of(shares), lines, title=title(shares), heading=heading(width, self.look), nothing=self.missing()
        )

    def show_detail(self) -> None:
        """Say in words how the account or user stands."""
        of, shares = self._row(), self.known.shares
        if shares is None or of is None:
            self.detail.show((), title="")
            return
        if shares.is_open:
            self.detail.show(OPEN, title="Everybody")
            return
        name = of.account if of.user is None else f"{of.user} in {of.account}"
        if of.depth == 0:
            self.detail.show([line("everything that was used, decayed; its parts are below")], title=name)
            return
        lines = [line(used_of_due(of.used, of.due, max(0, self.detail.size.width)))]
        lines.append(line(f"used {of.used:.1%} of the level, {of.due:.1%} is due; {of.usage / 3600:.1f} billing-hours"))
        if of.back_s is None:
            lines.append(line("over its due, and as things are it will not come back to it", Tone.WARN))
        elif of.back_s > 0:
            lines.append(line(f"over its due; back to it in {short(of.back_s)} if it runs nothing", Tone.WARN))
        if of.rank is not None and of.factor is not None:
            lines.append(
                line(f"rank {of.rank} among all users (1 is the last), factor {of.factor:.4f} of the priority")
            )
        below = self._below(of.account)
        theirs = [job for job in self.jobs if job.account in below and of.user in (None, job.user)]
        running = sum(job.gpus for job in theirs if job.state.holds_gpus)
        waiting = sum(job.gpus for job in theirs if job.state is JobState.PENDING)
        lines.append(line(f"holds {running} GPUs now, jobs that wait want {waiting}"))
        self.detail.show(lines, title=name)

    def _row(self) -> ShareRow | None:
        shares = self.known.shares
        if shares is None or self.table.cursor >= len(shares.shares):
            return None
        return shares.shares[self.table.cursor]

    def _below(self, account: str) -> set[str]:
        """Return an account and all below it, as the tree has them."""
        shares = self.known.shares
        rows = () if shares is None else shares.shares
        found, depth = {account}, None
        for of in rows:
            if of.user is not None:
                continue
            if of.account == account:
                depth = of.depth
            elif depth is not None and of.depth > depth:
                found.add(of.account)
            else:
                depth = None
        return found
