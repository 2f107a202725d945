"""`gpuq top`: shows on screens what gpuqd tells, and what it answers about the job in view."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import getpass
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.reactive import Reactive

from gpuq.client import Json
from gpuq.errors import UsageError
from gpuq.models import Job
from gpuq_tui import settings
from gpuq_tui.changes import Changes, Told
from gpuq_tui.desk import Desk
from gpuq_tui.feed import Answer, Asks, Feed
from gpuq_tui.keys import OrderedKeys
from gpuq_tui.lines.header import Contact
from gpuq_tui.lines.line import Look
from gpuq_tui.lines.order import ORDERS
from gpuq_tui.lines.queue import EXTRAS, note
from gpuq_tui.mirror import Mirror
from gpuq_tui.running import Starts, starts
from gpuq_tui.screens.queue import QueueScreen
from gpuq_tui.screens.view import Clock, View
from gpuq_tui.settings import Settings
from gpuq_tui.terminal import look_of
from gpuq_tui.threads import Beside, in_thread
from gpuq_tui.told_job import told_job
from gpuq_tui.widgets.pane import Pane

TICK_S = 1.0
RETRY_S = 1.0
FIRST_HINT = "? says what the keys do here, : takes any line of gpuq, 1 to 7 are the views."
_PICK_KEYS = "123456789abcdefg"
_OTHERS = {
    "why": "WhyScreen",
    "shares": "SharesScreen",
    "nodes": "NodesScreen",
    "trace": "TraceScreen",
    "charts": "ChartsScreen",
    "admin": "AdminScreen",
}
"""The other views, by the modules that they are in: each is loaded when somebody goes there."""


def run(
    client: Asks,
    *,
    mouse: bool = False,
    is_read_only: bool = False,
    view: str | None = None,
    jobs: Sequence[Json] = (),
) -> int:
    """Show the full-screen terminal until the user quits; return the exit code: 128 + N after signal N, else 0.

    It begins with `jobs` in `view`; without one, with all of the first of them. Where Python collects no garbage, it
    does so again once there is a queue: nothing that is loaded until then is any, ten thousand jobs neither.

    Raises:
        UsageError: this is not a terminal.
    """
    is_served = "TEXTUAL_DRIVER" in os.environ  # to a browser, by `gpuq_tui.web`
    if not is_served and not (sys.__stdin__ and sys.__stdin__.isatty() and sys.__stderr__ and sys.__stderr__.isatty()):
        raise UsageError("gpuq top needs a terminal; for text that can be piped there is `gpuq queue`.")
    if not is_served:  # a shell may export what its terminal was once: the terminal knows its size itself
        os.environ.pop("COLUMNS", None)
        os.environ.pop("LINES", None)
    look = look_of(os.environ, is_utf8_mode=bool(sys.flags.utf8_mode))
    app = GpuqApp(
        client,
        look=look,
        clock=time.time,
        starts=starts(client.path),
        is_read_only=is_read_only,
        first_view=view,
        first_jobs=[told_job(job, look) for job in jobs],
        user=getpass.getuser(),
        settings_at=settings.place(os.environ),
    )
    app.run(mouse=mouse)
    return app.return_code or 0


class GpuqApp(OrderedKeys, inherit_bindings=False):
    """Holds the screens together.

    One worker listens to what changes; another asks what the topmost view wants of one job: at once for a key, else at
    a tick after something has changed, and where nothing tells of it (a log that grows) at every second tick.
    """

    CSS_PATH = "gpuq.tcss"
    ENABLE_COMMAND_PALETTE = False
    theme: Reactive[str] = Reactive("ansi-dark")  # from the first moment: one that is set has all styles read anew
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c", "quit", "quit", priority=True)]

    def __init__(
        self,
        client: Asks,
        *,
        look: Look,
        clock: Clock,
        starts: Starts,
        beside: Beside = in_thread,
        is_read_only: bool = False,
        first_view: str | None = None,
        first_jobs: Sequence[Job] = (),
        user: str = "",
        settings_at: Path | None = None,
    ) -> None:
        super().__init__()
        self.look = look
        self._clock = clock
        self._beside = beside
        self._feed = Feed(client, look)
        self._contact = Contact()
        self._changes = Changes(client, look)
        self._mirror = Mirror()
        self._is_asked = asyncio.Event()
        self._is_renewed = asyncio.Event()
        self._is_news = False
        self._ticks = 0
        self._job: Job | None = None
        self._desk = Desk(self, starts=starts, beside=beside, is_read_only=is_read_only)
        self._settings_at = settings_at
        kept, self._first_notice = (Settings(), "") if settings_at is None else settings.load(settings_at)
        if look.has_colour:  # else the environment wants none
            self.look = look = replace(look, palette=kept.palette)
        queue = QueueScreen(look=look, clock=clock, user=user)
        queue.settings, self._keys = kept, kept.keys
        self._views: dict[str, View] = {"queue": queue}
        self._name, self._name_before = first_view or "queue", "queue"
        self._first_jobs, self._is_job_first = first_jobs, first_view is None and bool(first_jobs)

    @property
    def view(self) -> View:
        """Return the topmost full screen, below any dialog; while one takes another's place, the new one."""
        shown = (screen for screen in reversed(self.screen_stack) if isinstance(screen, View))
        return next(shown, None) or self._named(self._name)

    def _named(self, name: str) -> View:
        """Return a view of the first line, made when it is first wanted."""
        if name not in self._views:
            made = getattr(import_module(f"gpuq_tui.screens.{name}"), _OTHERS[name])
            self._views[name] = view = made(look=self.look, clock=self._clock)
            self.install_screen(view, name)
        return self._views[name]

    async def on_mount(self) -> None:
        """Show the queue and begin to listen."""
        if not self.is_headless:
            for ending in (signal.SIGTERM, signal.SIGHUP):
                asyncio.get_running_loop().add_signal_handler(ending, self.exit, None, 128 + ending)
        self.set_keymap(self._keys)
        self.install_screen(self._views["queue"], "queue")
        await self.push_screen(self._named(self._name))
        if self._is_job_first:
            await self._open_asked(View.OpenAsked(self._first_jobs[0]))
        elif self._first_jobs:
            self.view.choose_all(self._first_jobs)
        if self._first_notice:
            self.view.say(self._first_notice)
        elif self._settings_at is not None and not self._settings_at.exists():
            self.view.say(settings.save(self._settings_at, Settings()) or FIRST_HINT)  # once
        self.run_worker(self._listen(), name="stream")
        self.run_worker(self._answer_questions(), name="questions")
        self.set_interval(TICK_S, self._tick)

    def on_unmount(self) -> None:
        """End the stream, and what runs beside it."""
        self._changes.close()
        self._desk.close_all()

    def pop_screen(self) -> AwaitComplete:
        """Leave a screen, and what was painted on it: a cache of Textual's holds on to the last thousand widgets."""
        for widget in self.screen.walk_children(with_self=True):
            widget.refresh()
        return super().pop_screen()

    def known_jobs(self) -> Sequence[Job]:
        """Return all jobs that were told of, by id."""
        return self._mirror.jobs(everything=True)

    def known_job(self, job_id: int) -> Job | None:
        """Return a job as it was last told."""
        return self._mirror.job(job_id)

    def take_palette(self, name: str) -> None:
        """Show all in other colours, now and from now on."""
        self.look = replace(self.look, palette=name)
        for view in {*self._views.values(), *(one for one in self.screen_stack if isinstance(one, View))}:
            view.look = self.look
            for pane in view.query(Pane):
                pane.take_look(self.look)
        queue = self._views["queue"]
        assert isinstance(queue, QueueScreen)
        queue.rearrange(replace(queue.settings, palette=name))

    async def show_output(self, screen: View) -> None:
        """Show what a line prints, over what is shown now."""
        await self._show_over(screen)

    def line_done(self) -> None:
        """Ask anew: a line that changed something has ended."""
        self._is_asked.set()

    @on(View.Wants)
    def _wants(self, message: View.Wants) -> None:
        if message.is_all:
            self._mirror.has_ended = False
            self._changes.renew()
            self._is_renewed.set()
        self._is_asked.set()

    @on(View.Uncovered)
    def _uncovered(self) -> None:
        if self._contact.paused_at is None:
            self._show_told()

    @on(View.PauseAsked)
    def _pause_asked(self) -> None:
        is_paused = self._contact.paused_at is not None
        self._contact = replace(self._contact, paused_at=None if is_paused else self.view.data_time)
        if is_paused:
            self._is_asked.set()
            self._show_told()
        else:
            self.view.take(Answer(wanted=self.view.wanted()), self._contact)

    @on(View.OpenAsked)
    async def _open_asked(self, message: View.OpenAsked) -> None:
        from gpuq_tui.screens.job import JobScreen

        await self._show_over(JobScreen(message.job, look=self.look, clock=self._clock, rank=message.rank))
        self._is_asked.set()

    @on(View.GoAsked)
    async def _go_asked(self, message: View.GoAsked) -> None:
        to = message.to or self._name_before
        self._job = job = self.view.selected or self._job
        jobs = self.view.chosen or ([] if job is None else [job])
        gpu = self.view.selected_gpu
        while self.screen not in self._views.values():
            await self.pop_screen()
        if to == self._name:
            return
        self._name_before, self._name = self._name, to
        view = self._named(to)
        self._hand_over(view)
        await self.switch_screen(to)
        if to == "nodes":
            self._show_told()  # a cursor is put where there is something
        if len(jobs) > 1:
            view.choose_all(jobs)
        else:
            view.choose(job)
        if gpu is not None:
            view.choose_gpu(*gpu)
        if message.filter is not None and isinstance(view, QueueScreen):
            view.set_filter(message.filter)
        self._show_told()
        self._is_asked.set()

    @on(View.PromptAsked)
    async def _prompt_asked(self, message: View.PromptAsked) -> None:
        await self._desk.prompt(message.text)

    @on(View.LineAsked)
    async def _line_asked(self, message: View.LineAsked) -> None:
        await self._desk.ask(message.words)

    @on(View.ActionsAsked)
    async def _actions_asked(self) -> None:
        await self._desk.offer_actions()

    @on(QueueScreen.SortAsked)
    async def _sort_asked(self) -> None:
        from gpuq_tui.screens.menu import Choice, Menu

        queue = self._views["queue"]
        assert isinstance(queue, QueueScreen)
        choices = [Choice(key=str(i), text=order) for i, order in enumerate(ORDERS, 1)]

        def taken(at: int | None) -> None:
            if at is not None:
                queue.rearrange(replace(queue.settings, order=list(ORDERS)[at]))

        await self.push_screen(Menu("sort by", choices, look=self.look), taken)

    @on(View.PickAsked)
    async def _pick_asked(self) -> None:
        """Offer the newest jobs that have told a value, those that are drawn first."""
        from gpuq_tui.screens.menu import Choice, Menu

        charts = self.view
        drawn = {job.id for job in charts.chosen}
        told = [job for job in reversed(self.known_jobs()) if job.progress is not None and job.id not in drawn]
        offered = [*charts.chosen, *told][: len(_PICK_KEYS)]
        choices = [
            Choice(key=key, text=f"{'- ' if job.id in drawn else '+ '}{job.shown_id} {job.name[:30]}", more=note(job))
            for key, job in zip(_PICK_KEYS, offered, strict=False)
        ]

        def taken(at: int | None) -> None:
            if at is not None:
                charts.flip(offered[at])

        await self.push_screen(Menu("curves of: - is drawn, + is not", choices, look=self.look), taken)

    @on(QueueScreen.ColumnsAsked)
    async def _columns_asked(self) -> None:
        from gpuq_tui.screens.menu import Choice, Menu

        queue = self._views["queue"]
        assert isinstance(queue, QueueScreen)
        shown = queue.settings.columns
        choices = [
            Choice(key=str(i), text=f"{'-' if name in shown else '+'} {name}", more=EXTRAS[name].means)
            for i, name in enumerate(EXTRAS, 1)
        ]

        def taken(at: int | None) -> None:
            if at is not None:
                name = list(EXTRAS)[at]
                columns = [one for one in EXTRAS if (one in shown) != (one == name)]
                queue.rearrange(replace(queue.settings, columns=columns))

        await self.push_screen(Menu("columns: - is shown, + is not", choices, look=self.look), taken)

    @on(QueueScreen.Rearranged)
    def _rearranged(self, message: QueueScreen.Rearranged) -> None:
        problem = "" if self._settings_at is None else settings.save(self._settings_at, message.settings)
        if problem:
            self.view.say(problem)

    @on(View.SearchAsked)
    async def _search_asked(self, message: View.SearchAsked) -> None:
        from gpuq_tui.screens.prompt import Prompt

        def typed(text: str | None) -> None:
            if text and not message.search(text):
                self.view.say(f"'{text}' is not in these lines.")

        await self.push_screen(Prompt("", look=self.look, sign="/"), typed)

    @on(View.Left)
    def _left(self, message: View.Left) -> None:
        self._desk.close(message.view)

    @on(View.CopyAsked)
    async def _copy_asked(self, message: View.CopyAsked) -> None:
        from gpuq_tui.screens.menu import Choice, Menu

        offers = message.offers
        if not offers:
            self.view.say("There is nothing to copy here.")
            return
        choices = [Choice(key=str(i), text=what, more=text) for i, (what, text) in enumerate(offers[:9], 1)]

        def taken(at: int | None) -> None:
            if at is not None:
                self.copy_to_clipboard(offers[at][1])
                self.view.say(f"Copied (if the terminal lets it): {offers[at][1]}")

        await self.push_screen(Menu("copy", choices, look=self.look), taken)

    async def _show_over(self, screen: View) -> None:
        self._hand_over(screen)
        await self.push_screen(screen)

    def _hand_over(self, screen: View) -> None:
        """Let a screen begin with what the one on top knows."""
        now = self.view
        screen.cluster, screen.jobs, screen.contact = now.cluster, now.jobs, self._contact

    async def _listen(self) -> None:
        """Hear what changes, for ever; while gpuqd is not heard, try again each second."""
        while True:
            self._is_renewed.clear()
            told = await self._beside(self._changes.next)
            self._mirror.take(told)
            if told.is_whole:
                await self._find_selected()
            self._hear(told)
            if told.problem is not None:
                await self._pause()

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RETRY_S):
                await self._is_renewed.wait()

    async def _find_selected(self) -> None:
        """Ask for the job under the cursor where it is not in the list any more: it has ended unheard."""
        job_id = self.view.wanted().job_id
        if job_id is not None and self._mirror.job(job_id) is None:
            job = await self._beside(partial(self._feed.job, job_id))
            self._mirror.take(Told(jobs={job_id: job}))

    def _hear(self, told: Told) -> None:
        if (told.is_whole or told.problem is not None) and not gc.isenabled():
            gc.freeze()
            gc.enable()
        self._is_news = self._is_news or told.is_news
        if told.problem is not None:
            self._contact = replace(self._contact, problem=told.problem)
        elif told.is_heard and self._mirror.cluster is not None:
            self._contact = replace(self._contact, answered_at=self._clock(), problem=None)
        if self._contact.paused_at is not None:
            was_problem, self.view.contact = self.view.contact.problem, self._contact
            if self._contact.problem != was_problem:
                self.view.show_edges()
        elif told.is_news:
            self._show_told()
        elif told.problem is not None or self.view.contact.is_lost(self._clock()):
            self.view.take(Answer(wanted=self.view.wanted()), self._contact)
        else:
            self.view.contact = self._contact

    def _show_told(self) -> None:
        """Show the lists as they are now."""
        queue = self._views["queue"]
        assert isinstance(queue, QueueScreen)
        queue.keep_marks(self._mirror.job)
        wanted = self.view.wanted()
        if wanted.everything and not self._mirror.has_ended:
            self._is_asked.set()  # they are shown together
            wanted = replace(wanted, everything=False)
        answer = Answer(
            wanted=wanted,
            cluster=self._mirror.cluster,
            gpus=self._mirror.gpus,
            pods=() if wanted.job_id is None else self._mirror.pods.get(wanted.job_id, ()),
            beginnings=self._mirror.beginnings,
            jobs=self._mirror.jobs(everything=wanted.everything) if self._mirror.cluster is not None else None,
            job=None if wanted.job_id is None else self._mirror.job(wanted.job_id),
        )
        self.view.take(answer, self._contact)

    async def _answer_questions(self) -> None:
        while True:
            await self._is_asked.wait()
            self._is_asked.clear()
            wanted = self.view.wanted()
            with_ended = wanted.everything and not self._mirror.has_ended
            if wanted.everything and self._mirror.has_ended and len(self.view.jobs) < self._mirror.count:
                self._show_told()  # a view may have come back since, which was told of those not ended alone
            if self._contact.problem is None and (with_ended or wanted.is_question):
                self._is_news = False
                self._take(await self._beside(partial(self._feed.ask, wanted, with_ended=with_ended)))

    def _take(self, answer: Answer) -> None:
        """Hand over an answer. Whether gpuqd is there at all is for the stream to say."""
        if answer.jobs is not None:
            self._mirror.take_ended([job for job in answer.jobs if job.state.is_final])
            answer = replace(answer, jobs=self._mirror.jobs(everything=True))
        if answer.problem is not None and not self.view.notice:
            self.view.say(f"Not answered: {answer.problem}")
        self.view.take(answer, self._contact)

    def _tick(self) -> None:
        if self._contact.paused_at is not None:
            return
        self._ticks += 1
        job = self.view.selected
        is_read = self.view.wanted().logs is not None and job is not None and not job.state.is_final
        if self._is_news or (is_read and self._ticks % 2 == 0):
            self._is_asked.set()
        self.view.show_time()
