"""A terminal that a test can look at: a program in a tmux of the test's own."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.daemon import until

TMUX = shutil.which("tmux")


class Terminal:
    """Runs a program in a tmux with a server, a configuration and a size of its own; gone with the `with`."""

    def __init__(
        self,
        folder: Path,
        argv: Sequence[str],
        *,
        size: tuple[int, int] = (80, 24),
        term: str = "screen",
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._socket = folder / f"tmux-{os.urandom(4).hex()}"
        self._conf = folder / "tmux.conf"
        self._conf.write_text(f'set -g default-terminal "{term}"\nset -g remain-on-exit on\nset -g status off\n')
        named = [f"{name}={value}" for name, value in (env or {}).items()]
        # tmux 3.3 misses the end of a child now and then, and its exit code with it: the shell writes it down
        self._code = folder / f"code-{os.urandom(4).hex()}"
        code = shlex.quote(str(self._code))
        self._line = f"{shlex.join(['env', *named, *argv])}; echo $? >{code}.new && mv {code}.new {code}"
        self._size = size

    def __enter__(self) -> Terminal:
        self._tmux("new-session", "-d", "-x", str(self._size[0]), "-y", str(self._size[1]), self._line)
        return self

    def __exit__(self, *_: object) -> None:
        self._tmux("kill-server")

    def type(self, *keys: str) -> None:
        """Press keys, as tmux names them."""
        self._tmux("send-keys", *keys)

    def paste(self, text: str) -> None:
        """Paste text, bracketed if the program asked for that."""
        self._tmux("set-buffer", text)
        self._tmux("paste-buffer", "-p")

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size."""
        self._tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def text(self) -> str:
        """Return what is on the screen."""
        return self._tmux("capture-pane", "-p")

    def shows(self, *parts: str, timeout_s: float = 90) -> str:
        """Wait until all of this is on the screen, and return it."""
        try:
            until(
                lambda: all(part in self.text() for part in parts), timeout_s=timeout_s, what=f"{parts} on the screen"
            )
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.text()}") from None
        return self.text()

    def shows_no_more(self, part: str, timeout_s: float = 90) -> None:
        """Wait until this is not on the screen."""
        until(lambda: part not in self.text(), timeout_s=timeout_s, what=f"no {part} on the screen")

    def ended(self, timeout_s: float = 90) -> int:
        """Wait for the program's end, and return its exit code."""
        until(lambda: self._code.exists(), timeout_s=timeout_s, what="the end of the program")
        return int(self._code.read_text())

    def _tmux(self, *words: str) -> str:
        argv = [str(TMUX), "-u", "-S", str(self._socket), "-f", str(self._conf), *words]
        environ = {name: value for name, value in os.environ.items() if name not in ("TMUX", "NO_COLOR")}
        return subprocess.run(argv, capture_output=True, text=True, check=False, env=environ).stdout
