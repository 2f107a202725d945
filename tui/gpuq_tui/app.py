"""`gpuq top`: asks gpuqd each second and shows the answers on screens."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from dataclasses import replace
from typing import ClassVar

from textual import on
from textual.app import App
from textual.binding import Binding, BindingType

from gpuq.errors import UsageError
from gpuq_tui.feed import Answer, Asks, Feed
from gpuq_tui.lines.header import Contact
from gpuq_tui.lines.line import Look
from gpuq_tui.screens.confirm import ConfirmCancel
from gpuq_tui.screens.job import JobScreen
from gpuq_tui.screens.queue import QueueScreen
from gpuq_tui.screens.view import Clock, View
from gpuq_tui.terminal import look_of
from gpuq_tui.threads import Beside, in_thread

PERIOD_S = 1.0


def run(client: Asks, *, mouse: bool = False) -> int:
    """Show the full-screen terminal until the user quits; return the exit code: 128 + N after signal N, else 0.

    Raises:
        UsageError: this is not a terminal.
    """
    if not (sys.__stdin__ and sys.__stdin__.isatty() and sys.__stderr__ and sys.__stderr__.isatty()):
        raise UsageError("gpuq top needs a terminal; for text that can be piped there is `gpuq queue`.")
    look = look_of(os.environ, is_utf8_mode=bool(sys.flags.utf8_mode))
    app = GpuqApp(client, look=look, clock=time.time)
    app.run(mouse=mouse)
    return app.return_code or 0


class GpuqApp(App[None], inherit_bindings=False):
    """Holds the screens together: one worker asks for what the topmost view wants and hands over the answers."""

    CSS_PATH = "gpuq.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c", "quit", "quit", priority=True)]

    def __init__(self, client: Asks, *, look: Look, clock: Clock, beside: Beside = in_thread) -> None:
        super().__init__(ansi_color=True)
        self.theme = "ansi-dark"
        self._look = look
        self._clock = clock
        self._beside = beside
        self._feed = Feed(client, look)
        self._contact = Contact()
        self._is_asked = asyncio.Event()
        self._is_all_asked = False

    @property
    def view(self) -> View:
        """Return the topmost full screen, below any dialog."""
        return next(screen for screen in reversed(self.screen_stack) if isinstance(screen, View))

    async def on_mount(self) -> None:
        """Show the queue and begin to ask."""
        if not self.is_headless:
            for ending in (signal.SIGTERM, signal.SIGHUP):
                asyncio.get_running_loop().add_signal_handler(ending, self.exit, None, 128 + ending)
        await self.push_screen(QueueScreen(look=self._look, clock=self._clock))
        self.run_worker(self._follow(), name="feed", exclusive=True)
        self.set_interval(PERIOD_S, self._tick)

    @on(View.Wants)
    def _wants(self, message: View.Wants) -> None:
        self._is_all_asked = self._is_all_asked or message.is_all
        self._is_asked.set()

    @on(QueueScreen.OpenAsked)
    def _open_asked(self, message: QueueScreen.OpenAsked) -> None:
        queue = self.view
        screen = JobScreen(message.job, look=self._look, clock=self._clock)
        screen.cluster, screen.jobs, screen.contact = queue.cluster, queue.jobs, self._contact
        self.push_screen(screen)
        self._is_asked.set()

    @on(View.CancelAsked)
    async def _cancel_asked(self, message: View.CancelAsked) -> None:
        job = message.job

        def confirmed(yes: bool | None) -> None:
            if yes:
                self.run_worker(self._cancel(job.id), name="cancel")

        self.push_screen(ConfirmCancel(job, now=self._clock(), look=self._look), confirmed)

    async def _cancel(self, job_id: int) -> None:
        said = await self._beside(lambda: self._feed.cancel(job_id))
        self.view.say(said)
        self.post_message(View.Wants(is_all=True))

    async def _follow(self) -> None:
        """Ask each second, and in between for the details of what has just been selected."""
        while True:
            whole_at = asyncio.get_running_loop().time() + PERIOD_S
            await self._ask(details_only=False)
            while await self._is_asked_before(whole_at):
                await self._ask(details_only=True)

    async def _ask(self, *, details_only: bool) -> None:
        self._is_asked.clear()
        wanted = self.view.wanted()
        self._take(await self._beside(lambda: self._feed.ask(wanted, details_only=details_only)))

    async def _is_asked_before(self, until: float) -> bool:
        """Wait for somebody to ask for details; False once it is time for everything, or that was asked for."""
        if asyncio.get_running_loop().time() >= until:
            return False
        try:
            async with asyncio.timeout_at(until):
                await self._is_asked.wait()
        except TimeoutError:
            return False
        is_whole, self._is_all_asked = self._is_all_asked, False
        return not is_whole

    def _take(self, answer: Answer) -> None:
        if answer.problem is not None:
            self._contact = replace(self._contact, problem=answer.problem)
        elif answer.jobs is not None:
            self._contact = Contact(answered_at=self._clock())
        self.view.take(answer, self._contact)

    def _tick(self) -> None:
        self.view.show_edges()
