"""A view that is one list, with what the line under the cursor is about below or beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container

from gpuq.models import Job
from gpuq_tui.feed import Answer, Wanted
from gpuq_tui.lines.actions import Action
from gpuq_tui.lines.line import Line, Look, Tone, line
from gpuq_tui.lists import Lists
from gpuq_tui.screens.view import Clock, View
from gpuq_tui.widgets.pane import Pane
from gpuq_tui.widgets.rows import Rows


class RowsView(View):
    """Shows `lists` of gpuqd. What a subclass shows comes from `show_rows` and `show_detail`."""

    is_root = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "open what the cursor is on"),
        Binding("q", "go('queue')", "back to the queue"),
    ]
    lists: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *, look: Look, clock: Clock) -> None:
        super().__init__(look=look, clock=clock)
        self.known = Lists()
        self.refused: dict[str, str] = {}
        self.table = Rows(look=look, title=self.name_of_view.capitalize(), id="rows")
        self.detail = Pane(look=look, title="", id="detail")

    @property
    def selected(self) -> Job | None:
        """Return no job: most lists are about something else."""
        return None

    def wanted(self) -> Wanted:
        """Return the lists."""
        return Wanted(lists=self.lists)

    def show_rows(self) -> None:
        """Show the list as it is known now."""
        raise NotImplementedError

    def show_detail(self) -> None:
        """Show what the line under the cursor is about."""
        raise NotImplementedError

    def missing(self) -> Sequence[Line]:
        """Return what to say where there is no list: why, or that it is on its way."""
        asked = "asking gpuqd" + self.look.cut if self.contact.problem is None else "nothing is known: gpuqd is silent"
        told = next((text for text in self.refused.values()), asked)
        return (line("  " + told, Tone.DIM),)

    def body(self) -> ComposeResult:
        """Yield the list and the pane."""
        with Container(id="main"):
            yield self.table
            yield self.detail

    def show_answer(self, answer: Answer) -> None:
        """Show the lists that came."""
        if answer.lists is not None and answer.wanted.lists == self.lists:
            self.known, self.refused = answer.lists, answer.refused
        self.show_all()

    def show_all(self) -> None:
        """Show list and pane as of now."""
        if self.is_mounted:
            self.show_rows()
            self.show_detail()

    def on_mount(self) -> None:
        """Show what is known before the first answer."""
        super().on_mount()
        self.call_after_refresh(self.show_all)

    def on_resize(self) -> None:
        """Fit all to the new size."""
        super().on_resize()
        self.call_after_refresh(self.show_all)

    @on(Rows.Moved)
    def _moved(self) -> None:
        self.show_detail()

    def action_open(self) -> None:
        """Do the commonest thing with what the cursor is on: show what can be done with it."""
        self.action_actions()

    def actions(self) -> Sequence[Action]:
        """Return what can be done with what the cursor is on."""
        return ()
