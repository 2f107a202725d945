"""Everything that is done from the interface is a line of gpuq: typed or chosen, asked about, run, its end told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from textual.worker import Worker

from gpuq.errors import UsageError
from gpuq.models import Job
from gpuq_tui.foreign import cleaned_log
from gpuq_tui.lines.line import PALETTES, Line
from gpuq_tui.lines.tabs import NAMES
from gpuq_tui.lines.verbs import (
    NOT_HERE,
    exactly,
    is_destroying,
    is_following,
    is_reading,
    jobs_meant,
    line_of,
    words_of,
)
from gpuq_tui.running import Run, Starts
from gpuq_tui.screens.view import View
from gpuq_tui.threads import Beside

if TYPE_CHECKING:
    from gpuq_tui.app import GpuqApp

_MOST_HISTORY = 200
_MOST_ANSWER = 64 * 1024  # characters kept of what a change says
_MOST_NAMED = 64 * 1024 * 1024  # of what names jobs: none may be left out
READ_ONLY = "This is gpuq top --read-only: it changes nothing."


class Desk:
    """Takes lines from the views of `app` and runs them beside it, on the gpuqd that it shows."""

    def __init__(self, app: GpuqApp, *, starts: Starts, beside: Beside, is_read_only: bool) -> None:
        self._app = app
        self._starts = starts
        self._beside = beside
        self._is_read_only = is_read_only
        self._history: list[str] = []
        self._runs: dict[View, Run] = {}

    async def prompt(self, text: str) -> None:
        """Let the user type a line that begins with `text`."""
        from gpuq_tui.screens.prompt import Prompt

        screen = Prompt(text, history=self._history, complete=self._complete, look=self._app.look)
        await self._app.push_screen(screen, self._typed)

    async def offer_actions(self) -> None:
        """Let the user choose what to do with the chosen jobs of the view."""
        from gpuq_tui.screens.menu import Choice, Menu

        offered = self._app.view.actions()
        jobs = self._app.view.chosen
        choices = [Choice(key=a.key, text=a.deed, more=a.line) for a in offered]
        title = f"{len(jobs)} jobs" if len(jobs) > 1 else "what can be done"

        async def taken(at: int | None) -> None:
            if at is None:
                return
            if offered[at].is_open:
                await self.prompt(" ".join(offered[at].words))
            else:
                await self.ask(offered[at].words)

        await self._app.push_screen(Menu(title, choices, look=self._app.look), taken)

    async def ask(self, words: Sequence[str]) -> None:
        """Run a line, after the user has agreed if it destroys something."""
        view = self._app.view
        if self._is_read_only and not is_reading(words):
            view.say(READ_ONLY)
        elif words and words[0] in NOT_HERE:
            view.say(f"`{line_of(words[:1])}` needs a terminal of its own.")
        elif is_destroying(words):
            await self._confirm(words)
        else:
            self._run(words)

    def close(self, screen: View) -> None:
        """End what a screen shows."""
        run = self._runs.pop(screen, None)
        if run is not None:
            run.close()

    def close_all(self) -> None:
        """End all that runs."""
        for screen in list(self._runs):
            self.close(screen)

    async def _typed(self, text: str | None) -> None:
        if text is None:
            return
        self._history = [*(line for line in self._history if line != text), text][-_MOST_HISTORY:]
        try:
            words = self._spread(words_of(text))
        except UsageError as error:
            self._app.view.say(str(error))
            return
        match words:
            case ["q" | "quit"]:
                self._app.exit()
            case ["palette", name] if name in PALETTES:
                self._app.take_palette(name)
            case ["palette", *_]:
                self._app.view.say(f"palette NAME, where NAME is one of {', '.join(PALETTES)}.")
            case [name] if name in NAMES and name not in ("queue", "shares", "nodes", "trace"):
                self._app.view.action_go(name)
            case _:
                await self.ask(words)

    def _spread(self, words: Sequence[str]) -> list[str]:
        """Put jobs in the place of `@marked` and `@job`."""
        view, spread = self._app.view, list[str]()
        for word in words:
            jobs: Sequence[Job]
            match word:
                case "@marked":
                    jobs = view.chosen
                case "@job":
                    jobs = () if view.selected is None else (view.selected,)
                case _:
                    spread.append(word)
                    continue
            if not jobs:
                raise UsageError(f"{word} stands for no job here: nothing was done.")
            spread += [job.shown_id for job in jobs]
        return spread

    async def _confirm(self, words: Sequence[str]) -> None:
        """Ask whether a line is to be run, naming its jobs: gpuqd says which, where the line does not list them."""
        from gpuq_tui.screens.confirm import question

        known = {job.shown_id: job for job in self._app.known_jobs()}
        jobs = jobs_meant(words, known)
        if words[0] == "admin" or jobs is not None:
            await self._sure(words, question(words, jobs or (), now=self._app.view.clock()), len(jobs or ()))
        else:
            self._app.run_worker(self._confirm_found(words), name=f"{line_of(words)} --dry-run")

    async def _confirm_found(self, words: Sequence[str]) -> None:
        from gpuq_tui.screens.confirm import found_question

        code, said = await self._said([words[0], "--dry-run", *words[1:]], most=_MOST_NAMED)
        if code == 0 and said:
            await self._sure(exactly(words, said), found_question(words, said), len(said))
        else:
            self._app.view.say(said[0] if said else f"{line_of(words)}: no job is meant.")

    async def _sure(self, words: Sequence[str], asked: Sequence[Line], count: int) -> None:
        from gpuq_tui.screens.confirm import Confirm

        def answered(yes: bool | None) -> None:
            if yes:
                self._run(words)

        await self._app.push_screen(Confirm(asked, count, look=self._app.look), answered)

    def _run(self, words: Sequence[str]) -> Worker[None]:
        shown = is_reading(words) or is_following(words)
        return self._app.run_worker(self._show(words) if shown else self._do(words), name=line_of(words))

    async def _show(self, words: Sequence[str]) -> None:
        """Show the output of a line on a screen of its own, as it comes."""
        from gpuq_tui.screens.output import OutputScreen

        screen = OutputScreen(words, look=self._app.look, clock=self._app.view.clock)
        run = self._starts(words, self._app.size.width)
        self._runs[screen] = run
        await self._app.show_output(screen)
        pieces = run.pieces()
        while (piece := await self._beside(partial(_next, pieces))) is not None:
            screen.add(piece)
        code = await self._beside(run.exit_code)
        self._runs.pop(screen, None)
        if screen.is_attached:
            screen.end(code)

    async def _do(self, words: Sequence[str]) -> None:
        """Run a line that changes something; say what it says, on a screen of its own if that is much."""
        from gpuq_tui.screens.output import OutputScreen

        self._app.view.say(f"{line_of(words)} {self._app.look.cut}")
        code, rows = await self._said(words)
        self._app.line_done()
        if len(rows) <= 1:
            silent = "done" if code == 0 else f"exit code {code}"
            self._app.view.say(rows[0] if rows else f"{line_of(words)}: {silent}")
            return
        screen = OutputScreen(words, look=self._app.look, clock=self._app.view.clock)
        await self._app.show_output(screen)
        screen.add("\n".join(rows))
        screen.end(code)

    async def _said(self, words: Sequence[str], *, most: int = _MOST_ANSWER) -> tuple[int, list[str]]:
        """Run a line to its end and return its exit code and the lines that it said, without the empty ones."""
        run = self._starts(words, self._app.size.width)
        pieces, said = run.pieces(), ""
        while (piece := await self._beside(partial(_next, pieces))) is not None:
            said = (said + piece)[-most:]
        rows = cleaned_log(said, self._app.look).split("\n")
        return await self._beside(run.exit_code), [row for row in rows if row.strip()]

    def _complete(self, words: Sequence[str], part: str) -> Sequence[str]:
        from gpuq.cli.completion import candidates  # all verbs, which nobody needs who types no line

        if part.startswith("@"):
            return [word for word in ("@marked", "@job") if word.startswith(part)]
        found = candidates(words, part, self._known())
        return [word for word in found if words or word not in NOT_HERE]

    def _known(self) -> Mapping[str, Sequence[str]]:
        return known_names(self._app.known_jobs(), self._app.view)


def known_names(jobs: Sequence[Job], view: View) -> dict[str, list[str]]:
    """Return the names that the views know, by kind, as `gpuq.cli.completion` wants them; the newest jobs first."""
    nodes = () if view.cluster is None else view.cluster.nodes
    return {
        "jobs": [job.shown_id for job in reversed(jobs)],
        "users": sorted({job.user for job in jobs}),
        "accounts": sorted({job.account for job in jobs}),
        "nodes": [node.name for node in nodes],
        "partitions": sorted({node.partition for node in nodes}),
    }


def _next(pieces: Iterator[str]) -> str | None:
    return next(pieces, None)
