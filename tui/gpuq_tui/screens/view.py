"""What every full screen has: the cluster on top, keys or a notice at the bottom, help, a way back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen

from gpuq.models import Cluster, Job
from gpuq_tui.feed import Answer, Wanted
from gpuq_tui.lines.header import Contact, header_lines
from gpuq_tui.lines.line import Line, Look, Tone, fit, line
from gpuq_tui.screens.help import HelpScreen
from gpuq_tui.widgets.pane import Pane

Clock = Callable[[], float]


class View(Screen[None], inherit_bindings=False):
    """A full screen that shows answers of gpuqd. The app asks for `wanted` and hands over each answer."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012 - Textual's own declaration
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "help for this view", key_display="?"),
        Binding("tab", "pane(1)", "next pane"),
        Binding("shift+tab", "pane(-1)", "previous pane"),
        Binding("r", "refresh_now", "ask gpuqd for everything anew"),
        Binding("p", "pause", "pause, or go on"),
        Binding("ctrl+x", "cancel", "cancel the job (asks first)"),
        Binding("escape", "back", "one step back", key_display="esc"),
    ]

    class Uncovered(Message):
        """The view is on top now; it may show what was."""

    class PauseAsked(Message):
        """The user wants the screen to stand still, or to go on."""

    class Wants(Message):
        """What the view wants has changed: ask for its details at once, or for everything anew if `is_all`."""

        def __init__(self, *, is_all: bool = False) -> None:
            super().__init__()
            self.is_all = is_all

    class CancelAsked(Message):
        """The user wants a job to end; nobody has confirmed it yet."""

        def __init__(self, job: Job) -> None:
            super().__init__()
            self.job = job

    def __init__(self, *, look: Look, clock: Clock) -> None:
        super().__init__()
        self.look = look
        self.clock = clock
        self.contact = Contact()
        self.cluster: Cluster | None = None
        self.jobs: tuple[Job, ...] = ()
        self.notice = ""
        self._header = Pane(look=look, id="header")
        self._footer = Pane(look=look, id="footer")

    @property
    def data_time(self) -> float:
        """Return the moment the data is of: spans are counted up to it, so old data shows no new numbers."""
        now, contact = self.clock(), self.contact
        if contact.paused_at is not None:
            return contact.paused_at
        return contact.answered_at if contact.is_lost(now) and contact.answered_at is not None else now

    @property
    def selected(self) -> Job | None:
        """Return the job that keys act on."""
        raise NotImplementedError

    def wanted(self) -> Wanted:
        """Return what this view shows."""
        raise NotImplementedError

    def keys(self) -> str:
        """Return the commonest keys that do something now, for the last line."""
        raise NotImplementedError

    def body(self) -> ComposeResult:
        """Yield the widgets between the first lines and the last."""
        raise NotImplementedError

    def show_answer(self, answer: Answer) -> None:
        """Show what gpuqd said; parts that are None stay as they were."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        """Yield the first lines, the body and the last line."""
        yield self._header
        yield from self.body()
        yield self._footer

    def take(self, answer: Answer, contact: Contact) -> None:
        """Take over an answer and how gpuqd answers now, and show both."""
        self.contact = contact
        self.cluster = answer.cluster or self.cluster
        self.jobs = self.jobs if answer.jobs is None else answer.jobs
        self.show_answer(answer)
        self.show_edges()

    def show_time(self) -> None:
        """Let the spans go on to now."""
        self.show_edges()

    def say(self, text: str) -> None:
        """Show a sentence in the last line until the next key."""
        self.notice = text
        self.show_edges()

    def show_edges(self) -> None:
        """Show the first lines and the last one as of now."""
        width = self.size.width
        lines = header_lines(self.cluster, self.jobs, self.contact, now=self.clock(), width=width, look=self.look)
        self._header.styles.height = len(lines)
        self._header.show(lines)
        self._footer.show([self._last_line(width)])

    def on_mount(self) -> None:
        """Show the edges before the first answer comes."""
        self.show_edges()

    def on_screen_resume(self) -> None:
        """Have shown what was told while another view was on top."""
        self.post_message(self.Uncovered())

    def on_resize(self) -> None:
        """Fit the edges to the new width."""
        self.show_edges()

    def on_descendant_focus(self) -> None:
        """Say the keys of the widget that has them now."""
        self.show_edges()

    def on_key(self) -> None:
        """Take away the notice: whoever presses a key has seen it."""
        if self.notice:
            self.say("")

    def action_help(self) -> None:
        """Show all keys of this view and of the pane that has them."""
        self.app.push_screen(HelpScreen(list(self._help()), look=self.look))

    def action_pane(self, by: int) -> None:
        """Give the keys to the next pane, or to the one before."""
        if by > 0:
            self.focus_next()
        else:
            self.focus_previous()

    def action_refresh_now(self) -> None:
        """Ask gpuqd for everything anew."""
        self.post_message(self.Wants(is_all=True))

    def action_pause(self) -> None:
        """Let the screen stand still, or go on."""
        self.post_message(self.PauseAsked())

    def action_cancel(self) -> None:
        """Ask whether the job is to end."""
        job = self.selected
        if job is None:
            self.say("There is no job to cancel.")
        elif job.state.is_final:
            self.say(f"Job {job.id} has ended already: {job.state}.")
        else:
            self.post_message(self.CancelAsked(job))

    def action_back(self) -> None:
        """Go one step back."""
        self.app.pop_screen()

    def _last_line(self, width: int) -> Line:
        if self.notice:
            return line(fit(self.notice, width, self.look), Tone.STRONG)
        return line(fit(self.keys(), width, self.look), Tone.DIM)

    def _help(self) -> Iterator[tuple[str, str]]:
        bindings = [active.binding for active in self.active_bindings.values()]
        for binding in sorted(bindings, key=_how_common):
            if binding.description and not binding.system:
                key = self.app.get_key_display(binding)
                yield (binding.key if self.look.is_ascii and not key.isascii() else key), binding.description


_MOVES, _EVERYWHERE = ({one.action for one in Binding.make_bindings(of.BINDINGS)} for of in (Pane, View))


def _how_common(binding: Binding) -> int:
    """Return 0 for what only this view or pane has, 1 for what every view has, 2 for moving about."""
    return 2 if binding.action in _MOVES else int(binding.action in _EVERYWHERE or binding.action == "quit")
