"""What is said to a process of ours and what it answers, with processes that do not keep to it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from reactor.errors import DownloadError
from reactor.extractors.browser import process as browser_process
from reactor.extractors.ytdlp import process as ytdlp_process
from reactor.workers.exchange import LONG_ANSWER, Exchange, WorkerDied

ECHO = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"
MOST = 4 * LONG_ANSWER


@asynccontextmanager
async def exchange(code: str) -> AsyncIterator[Exchange]:
    command = [sys.executable, "-I", "-c", code]
    async with await anyio.open_process(command, stderr=subprocess.DEVNULL) as process:
        try:
            yield Exchange(process, MOST, lambda: DownloadError("It makes no sense.", code="bad_answer"))
        finally:
            if process.returncode is None:
                process.kill()


@pytest.mark.parametrize("length", [0, LONG_ANSWER - 20, LONG_ANSWER, MOST - 40])
async def test_each_request_gets_its_own_answer(length: int) -> None:
    async with exchange(ECHO) as ours:
        for n in range(3):
            request = {"id": n, "text": "ü" + "x" * length}
            assert await ours.ask(request) == request


@pytest.mark.parametrize(
    "said", ["b'nonsense'", "b'[1]'", "b'null'", "b'{\"id\": 1'", "b''", "b'\\xff'", f"b'x' * {MOST + 1}"]
)
async def test_an_answer_that_is_no_object_is_an_error(said: str) -> None:
    async with exchange(f"import os\nos.write(1, {said} + b'\\n')\ninput()\ninput()") as ours:
        with pytest.raises(DownloadError) as caught:
            await ours.ask({})
    assert caught.value.code == "bad_answer"


@pytest.mark.parametrize(
    ("code", "how"),
    [
        ("input(); raise SystemExit(3)", "exit code 3"),
        ("input(); print('half of it', end='', flush=True); import os; os._exit(4)", "exit code 4"),
        ("input(); import os; os.kill(os.getpid(), 9)", "signal 9"),
    ],
)
async def test_one_that_dies_says_how(code: str, how: str) -> None:
    async with exchange(code) as ours:
        with pytest.raises(WorkerDied, match=how):
            await ours.ask({})
        with pytest.raises(WorkerDied, match=how):
            await ours.ask({})


@pytest.mark.parametrize("start", [ytdlp_process.YtdlpProcess.start, browser_process.BrowserProcess.start])
async def test_without_a_folder_for_temporary_files(
    monkeypatch: pytest.MonkeyPatch, start: Callable[[Any], Awaitable[object]]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/gone")
    browser = browser_process.BrowserSetup(Path(sys.executable), memory_max=1)
    with pytest.raises(DownloadError, match="temporary files") as caught:
        await start(browser if start == browser_process.BrowserProcess.start else ytdlp_process.YtdlpSetup())
    assert (caught.value.code, caught.value.retryable) == ("storage", True)
