"""`gpuq top` in a browser: for who knows the token, and for no other site's page."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from gpuq.cli import main
from tests.support.daemon import plain_gpuqd


@pytest.fixture
def served() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Give the address of a page that shows one job, and the process that serves it."""
    with plain_gpuqd() as gpuqd:
        gpuqd.enqueue("import time\ndef main_fun(args, ctx): time.sleep(600)\n", name="seen-in-a-browser")
        words = [Path(sys.executable).with_name("gpuq"), "top", "--web", "--read-only"]
        environment = {
            **os.environ,
            "GPUQ_SOCKET": gpuqd.client.path,
            "XDG_CONFIG_HOME": "/nowhere",
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
        }
        with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            found = re.search(r"http://\S+", process.stdout.readline())
            assert found is not None
            yield found[0], process
            process.terminate()


def test_only_who_knows_the_token_sees_it_until_ctrl_c(served: tuple[str, subprocess.Popen[str]]) -> None:
    page, process = served
    base = page.split("/?")[0]

    async def asked() -> tuple[list[int], bytes]:
        seen: list[int] = []
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as stranger:
            for path in ("/", "/ws", "/static/css/xterm.css", "/?token=x"):
                async with stranger.get(base + path) as answer:
                    seen.append(answer.status)
            async with stranger.get(f"{base}/", headers={"Cookie": "gpuq=\xe9"}) as answer:
                seen.append(answer.status)
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
            async with browser.get(page) as answer:
                seen.append(answer.status)
                assert "token" not in str(answer.url)
            async with browser.get(f"{base}/", headers={"Origin": "http://elsewhere.example"}) as answer:
                seen.append(answer.status)
            async with browser.get(f"{base}/", headers={"Host": "elsewhere.example"}) as answer:
                seen.append(answer.status)
            screen = b""
            async with browser.ws_connect(f"{base}/ws?width=80&height=24", headers={"Origin": base}) as socket:
                async with asyncio.timeout(60):
                    while b"seen-in-a-brow" not in screen:
                        message = await socket.receive()
                        screen += message.data if message.type is aiohttp.WSMsgType.BINARY else b""
                process.send_signal(signal.SIGINT)
                assert await asyncio.to_thread(process.wait, 45) == 0  # the page is open still
        return seen, screen

    seen, screen = asyncio.run(asked())

    assert seen == [403, 403, 403, 403, 403, 200, 403, 403]
    assert b"seen-in-a-brow" in screen


def test_a_port_that_is_taken_and_one_without_a_page_are_refused(capfd: pytest.CaptureFixture[str]) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["top", "--web", "--port", str(taken.getsockname()[1])]) == 2
    assert main(["top", "--port", "8000"]) == 2
    assert capfd.readouterr().err.count("\n") == 2
