"""What every full screen has: the cluster on top, keys or a notice at the bottom, help, a way back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen

from gpuq.models import Cluster, Job, JobState
from gpuq_tui.feed import Answer, Wanted
from gpuq_tui.keys import NamedKeys
from gpuq_tui.lines.actions import Action, actions
from gpuq_tui.lines.header import Contact, header_lines
from gpuq_tui.lines.line import Line, Look, Tone, fit, line
from gpuq_tui.lines.tabs import NAMES, tab_line
from gpuq_tui.widgets.pane import Pane, TextSought

Clock = Callable[[], float]


class View(NamedKeys, Screen[None], inherit_bindings=False):
    """A full screen that shows answers of gpuqd. The app asks for `wanted` and hands over each answer.

    `name_of_view` is the one of the first line that it is, or (unless `is_root`) that it belongs to.
    """

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012 - Textual's own declaration
    VERTICAL_BREAKPOINTS = [(0, "-low"), (14, "-high")]  # noqa: RUF012 - Textual's own declaration
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "help for this view", key_display="?"),
        Binding("tab", "pane(1)", "next pane"),
        Binding("shift+tab", "pane(-1)", "previous pane"),
        Binding("r", "refresh_now", "ask gpuqd for everything anew"),
        Binding("p", "pause", "pause, or go on"),
        Binding("ctrl+x", "cancel", "cancel the job, or the marked ones (asks first)"),
        Binding("x", "actions", "all that can be done with it"),
        Binding("colon", "prompt('')", "any command of gpuq", key_display=":"),
        Binding("y", "copy", "copy an id, a path, a command"),
        *(Binding(str(i), f"go('{name}')", f"view: {name}") for i, name in enumerate(NAMES, 1)),
        Binding("w", "go('why')", "why it is where it is"),
        Binding("t", "go('trace')", "from the job down to its GPUs"),
        Binding("v", "go('charts')", "its curves"),
        Binding("e", "events", "what happened to it"),
        Binding("minus", "go('')", "the view before", key_display="-"),
        Binding("escape", "back", "one step back", key_display="esc"),
    ]
    name_of_view: ClassVar[str] = ""
    is_root: ClassVar[bool] = False

    class Uncovered(Message):
        """The view is on top now; it may show what was."""

    class PauseAsked(Message):
        """The user wants the screen to stand still, or to go on."""

    class Wants(Message):
        """What the view wants has changed: ask for its details at once, or for everything anew if `is_all`."""

        def __init__(self, *, is_all: bool = False) -> None:
            super().__init__()
            self.is_all = is_all

    class OpenAsked(Message):
        """The user wants to see all of a job."""

        def __init__(self, job: Job, rank: int | None = None) -> None:
            super().__init__()
            self.job = job
            self.rank = rank

    class GoAsked(Message):
        """The user wants another view by its name, the one before if it is empty; of the queue what passes `filter`."""

        def __init__(self, to: str, filter: str | None = None) -> None:
            super().__init__()
            self.to = to
            self.filter = filter

    class PromptAsked(Message):
        """The user wants to type a command that begins with `text`."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class LineAsked(Message):
        """The user wants a command to be run; one that destroys is asked about first."""

        def __init__(self, words: Sequence[str]) -> None:
            super().__init__()
            self.words = words

    class ActionsAsked(Message):
        """The user wants to see what can be done with the chosen jobs."""

    class CopyAsked(Message):
        """The user wants to copy one of these: what it is, and its text."""

        def __init__(self, offers: Sequence[tuple[str, str]]) -> None:
            super().__init__()
            self.offers = offers

    class PickAsked(Message):
        """The user wants to choose a job to draw."""

    class SearchAsked(Message):
        """The user wants to type what is searched for in a pane of text, and `search` to look for it."""

        def __init__(self, search: Callable[[str], bool]) -> None:
            super().__init__()
            self.search = search

    class Left(Message):
        """The user has seen enough of what this view showed: what feeds it may end."""

        def __init__(self, view: View) -> None:
            super().__init__()
            self.view = view

    def __init__(self, *, look: Look, clock: Clock) -> None:
        super().__init__()
        self.look = look
        self.clock = clock
        self.contact = Contact()
        self.cluster: Cluster | None = None
        self.jobs: tuple[Job, ...] = ()
        self.notice = ""
        self._counted: Sequence[Job] = ()
        self._counts: Mapping[JobState, int] = {}
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

    @property
    def selected_gpu(self) -> tuple[str, str] | None:
        """Return the node and the name of the GPU that the cursor is on, if it is on one."""
        return None

    @property
    def chosen(self) -> Sequence[Job]:
        """Return the jobs that actions are about: the marked ones, else the selected one."""
        return () if self.selected is None else (self.selected,)

    def actions(self) -> Sequence[Action]:
        """Return what can be done with what the keys act on."""
        return actions(self.chosen) if self.chosen else ()

    def offers(self) -> Sequence[tuple[str, str]]:
        """Return what can be copied: what it is, and its text."""
        return () if self.selected is None else copies(self.selected)

    def choose(self, job: Job | None) -> None:
        """Put the cursor on a job that was selected in another view, where this one has such a thing."""

    def choose_gpu(self, node: str, name: str) -> None:
        """Put the cursor on a GPU that it was on in another view, where this one has such a thing."""

    def choose_all(self, jobs: Sequence[Job]) -> None:
        """Take over the jobs that were chosen in another view: of most views the first of them."""
        self.choose(jobs[0] if jobs else None)

    def flip(self, job: Job) -> None:
        """Show a job too, or not any more, where the view shows several."""

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

    def tab_line(self, width: int) -> Line:
        """Return the second line: the views and their keys."""
        return tab_line(self.name_of_view, width=width, look=self.look)

    def show_edges(self) -> None:
        """Show the first lines and the last one as of now."""
        width = self.size.width
        lines = header_lines(self.cluster, self._states(), self.contact, now=self.clock(), width=width, look=self.look)
        lines.insert(1, self.tab_line(width))
        self._header.styles.height = len(lines)
        self._header.show(lines)
        self._footer.show([self._last_line(width)])

    def _states(self) -> Mapping[JobState, int]:
        """Return how many jobs are in which state, counted once for each list."""
        if self._counted is not self.jobs:
            self._counted, self._counts = self.jobs, Counter(job.state for job in self.jobs)
        return self._counts

    def on_mount(self) -> None:
        """Show the edges before the first answer comes."""
        self.show_edges()

    def on_screen_resume(self) -> None:
        """Have shown what was told while another view was on top."""
        self.post_message(self.Uncovered())

    def on_resize(self) -> None:
        """Fit the edges to the new width."""
        self.show_edges()

    @on(TextSought)
    def _text_sought(self, message: TextSought) -> None:
        message.stop()
        self.post_message(self.SearchAsked(message.search))

    def on_descendant_focus(self) -> None:
        """Say the keys of the widget that has them now."""
        self.show_edges()

    def on_key(self) -> None:
        """Take away the notice: whoever presses a key has seen it."""
        if self.notice:
            self.say("")

    def action_help(self) -> None:
        """Show all keys of this view and of the pane that has them."""
        from gpuq_tui.screens.help import HelpScreen

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
        """Ask whether the chosen jobs are to end."""
        ids = [job.shown_id for job in self.chosen if not job.state.is_final]
        if ids:
            self.post_message(self.LineAsked(("cancel", *ids)))
        elif self.selected is None:
            self.say("There is no job to cancel.")
        else:
            self.say(f"Job {self.selected.shown_id} has ended already: {self.selected.state}.")

    def action_actions(self) -> None:
        """Show what can be done with the chosen jobs."""
        if self.actions():
            self.post_message(self.ActionsAsked())
        else:
            self.say("There is nothing to be done with this; : takes any command.")

    def action_events(self) -> None:
        """Show what happened to the job."""
        if self.selected is not None:
            self.post_message(self.LineAsked(("events", self.selected.shown_id)))

    def action_prompt(self, text: str) -> None:
        """Let the user type a command."""
        self.post_message(self.PromptAsked(text))

    def action_copy(self) -> None:
        """Offer what can be copied here."""
        self.post_message(self.CopyAsked(self.offers()))

    def action_go(self, to: str) -> None:
        """Show another view."""
        self.post_message(self.GoAsked(to))

    def action_back(self) -> None:
        """Go one step back: to the queue from the other views of the first line."""
        if self.is_root:
            self.post_message(self.GoAsked("queue"))
        else:
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


def copies(job: Job) -> list[tuple[str, str]]:
    """Return what of a job people want to paste elsewhere."""
    found = [("job", job.shown_id), ("name", job.name), ("logs", job.log_uri), ("checkpoints", job.checkpoint_uri)]
    found += [("application", job.application_id), ("nodes", ",".join(job.nodes)), ("error", job.error)]
    return [*((word, text) for word, text in found if text), ("command", f"gpuq show {job.shown_id}")]


_MOVES, _EVERYWHERE = ({one.action for one in Binding.make_bindings(of.BINDINGS)} for of in (Pane, View))


def _how_common(binding: Binding) -> int:
    """Return 0 for what only this view or pane has, 1 for what every view has, 2 for moving about."""
    return 2 if binding.action in _MOVES else int(binding.action in _EVERYWHERE or binding.action == "quit")
