"""A process that reads documents: its limits, its end, and what it knows of us. Broken parsers are played by
`odd_reader`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from reactor.errors import DownloadError
from reactor.workers.exchange import WorkerDied
from reactor.workers.limits import Limits
from reactor.workers.process import DocumentReader
from tests.extractors.processes import runs, until

ROOT = Path(__file__).parents[2]
ODD = "tests.workers.odd_reader:main"
MIB = 1024 * 1024
LIMITS = Limits(cpu_s=1, wall_s=60.0, data_bytes=256 * MIB, answer_bytes=64 * 1024)


@asynccontextmanager
async def reader(limits: Limits = LIMITS) -> AsyncIterator[DocumentReader]:
    ours = await DocumentReader.start(ODD, [str(ROOT)], limits)
    try:
        yield ours
    finally:
        await ours.end()
        assert not runs(ours.pid)


async def asked(ours: DocumentReader, call: str, document: bytes = b"") -> tuple[dict[str, Any], bytes]:
    with anyio.fail_after(60):
        return await ours.ask_about(document, {"call": call})


async def test_one_document_after_the_other() -> None:
    async with reader() as ours:
        for document in (b"", b"\0\n\xff", b"x" * LIMITS.answer_bytes, b"last"):
            answer, body = await asked(ours, "echo", document)
            assert (body, answer["id"]) == (document, ours.requests)
        assert ours.resident_bytes > MIB


async def test_a_sentence_a_mistake_and_an_answer_that_is_too_long_are_told() -> None:
    async with reader() as ours:
        (refused, _), (stumbled, _) = await asked(ours, "refuse"), await asked(ours, "stumble")
        (long, body) = await asked(ours, "long", b"x" * 1000)
        assert refused["error"] == {"kind": "sentence", "message": "No.", "hint": "Try another.", "code": "drm"}
        assert stumbled["error"] == {"kind": "unforeseen", "what": "IndexError"}
        assert (long["error"], body) == ({"kind": "too_long"}, b"")
        assert (await asked(ours, "echo", b"goes on"))[1] == b"goes on"


@pytest.mark.nightly
@pytest.mark.fault(60)
async def test_one_that_computes_for_ever_is_ended_by_the_system() -> None:
    """Though its interpreter never comes to a signal, and whoever asked has forgotten it."""
    async with reader() as ours:
        await asked(ours, "echo")
        with pytest.raises(WorkerDied, match="signal 24"):
            await asked(ours, "power", b"20000000000")


async def test_the_limit_of_time_is_for_each_document() -> None:
    async with reader() as ours:
        for _ in range(6):  # a fifth of a second each, or more
            await asked(ours, "power", b"300000")


async def test_one_that_takes_too_much_memory_says_so() -> None:
    async with reader() as ours:
        answer, _ = await asked(ours, "allocate", str(LIMITS.data_bytes * 2).encode())
        assert answer["error"] == {"kind": "memory"}


@pytest.mark.parametrize("said", [b"nonsense", b"[1]", b'{"id": 1}', b'{"id": 1, "body": true}', b"\xff", b""])
async def test_an_answer_that_makes_no_sense(said: bytes) -> None:
    async with reader() as ours:
        with pytest.raises(DownloadError) as caught:
            await asked(ours, "nonsense", said)
    assert caught.value.code == "bad_answer"


@pytest.mark.parametrize("length", [-1, LIMITS.answer_bytes + 1, 10**30, "9", None])
async def test_a_length_that_no_answer_has(length: object) -> None:
    async with reader() as ours:
        with pytest.raises(DownloadError) as caught:
            await asked(ours, "lie", json.dumps(length).encode())
    assert caught.value.code == "bad_answer"


async def test_one_that_dies_says_how() -> None:
    async with reader() as ours:
        with pytest.raises(WorkerDied, match="exit code 7"):
            await asked(ours, "die")
        assert not ours.alive


async def test_a_cancel_ends_the_wait_and_no_thread_is_left() -> None:
    before = threading.active_count()
    async with reader(Limits(3600, 60.0, 256 * MIB, 1000)) as ours:
        await asked(ours, "echo")
        with anyio.move_on_after(0.2) as scope:
            await asked(ours, "power", b"20000000000")
        assert scope.cancelled_caught
        await ours.end()
        assert not runs(ours.pid)
    assert threading.active_count() <= before + 1  # of anyio's, to start processes by


async def test_it_knows_nothing_of_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BOT_TOKEN", "secret")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "json.py").write_text("raise SystemExit(9)")
    async with reader() as ours:
        told = json.loads((await asked(ours, "told"))[1])
    assert not told["environment"].keys() & {"BOT_TOKEN", "PYTHONPATH"}
    assert str(tmp_path) not in told["path"]
    assert "" not in told["path"]
    assert told["folder"] == "/"


@pytest.mark.parametrize("how", ["os._exit(0)", "os.kill(os.getpid(), 9)"])
async def test_it_does_not_outlive_its_parent(how: str) -> None:
    code = f"""
import anyio, os, sys
from tests.workers.test_process import LIMITS, ODD, Limits, DocumentReader
async def main():
    ours = await DocumentReader.start(ODD, [{str(ROOT)!r}], Limits(3600, 60.0, 2**28, 1000))
    await ours.ask_about(b"", {{"call": "echo"}})
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ours.ask_about, b"20000000000", {{"call": "power"}})
        await anyio.sleep(0.2)
        print(ours.pid, flush=True)
        {how}
anyio.run(main)
"""
    done = await anyio.run_process([sys.executable, "-c", code], cwd=ROOT, check=False, stderr=subprocess.DEVNULL)
    pid = int(done.stdout)
    await until(lambda: not runs(pid))
    assert pid != os.getpid()
