"""What people read: plain words, and nothing that a stranger's title could do to their terminal."""

from __future__ import annotations

import io
import os
import pty
from contextlib import suppress
from unicodedata import category

import pytest
from rich.console import Console

from reactor import notices as n
from reactor.journal.format import clean, describe, size, span
from reactor.journal.progress import LiveView
from reactor.journal.stream import Stream
from reactor.journal.terminal import HumanLines, to_text
from reactor.models import Kind
from tests.journal.samples import EVERY, failed

HOSTILE = "[bold red]x[/]\x1b[2J\x1b]0;owned\x07\r\n\u202egpj.exe\u2066 :smile: [link=http://evil]y"


@pytest.mark.parametrize("notice", EVERY, ids=lambda notice: notice.event)
def test_every_notice_is_one_visible_line(notice: n.Notice) -> None:
    words = describe(notice)
    assert words
    assert len(words.splitlines()) == 1
    assert "None" not in words
    assert not any(category(character).startswith("C") for character in words)


def test_what_a_stranger_names_cannot_reach_the_terminal() -> None:
    told: list[n.Notice] = [
        failed(1, HOSTILE),
        n.DownloadExtracted(download_id=1, kind=Kind.DIRECT, title=HOSTILE),
        n.DownloadClaimed(download_id=1, url=HOSTILE),
        n.DownloadCompleted(download_id=1, path=HOSTILE, size=1, took_s=0),
    ]
    for notice in told:
        shown = io.StringIO()
        Console(file=shown, width=1000, emoji=False).print(
            to_text(n.Entry(seq=1, at="2026-01-31T12:00:00.000Z", notice=notice)), soft_wrap=True
        )
        text = shown.getvalue()
        assert text.count("\n") == 1
        assert "[bold red]x[/]\\x1b[2J" in text, "markup is shown as it is, control characters escaped"
        assert not set("\x1b\x07\r\u202e\u2066") & set(text)


def test_letters_of_every_language_stay_as_they_are() -> None:
    for text in ("Füße 北京 हिन्दी", "👩‍👩‍👧 family", "naïve – “quoted”"):
        assert clean(text) == text


def test_what_is_too_long_is_cut() -> None:
    assert clean("x" * 100_000, 10) == "x" * 9 + "…"


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (None, "unknown size"),
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1048575, "1.0 MiB"),
        (80 * 2**20, "80.0 MiB"),
        (5 * 2**40, "5.0 TiB"),
        (5000 * 2**40, "5000.0 TiB"),
    ],
)
def test_sizes(count: int | None, words: str) -> None:
    assert size(count) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0, "0.0 s"), (8, "8 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1:00"), (3725, "1:02:05")],
)
def test_spans(seconds: float, words: str) -> None:
    assert span(seconds) == words


def read_all(fd: int) -> str:
    """What was written to the other end, until it was closed."""
    parts = []
    with suppress(OSError):  # a pseudo-terminal whose other end is closed says EIO
        while part := os.read(fd, 65536):
            parts.append(part)
    os.close(fd)
    return b"".join(parts).decode()


@pytest.mark.parametrize("terminal", [True, False])
def test_lines_are_coloured_on_a_terminal_only(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    reader, writer = pty.openpty() if terminal else os.pipe()
    lines = HumanLines(Stream(writer, own=True))
    lines.show(n.Entry(seq=1, at="2026-01-31T12:00:00.000Z", notice=failed(12)))
    lines.close()
    text = read_all(reader)
    assert ("\x1b[31m" in text) is terminal
    assert "#12" in text
    assert "failed: It failed." in text


@pytest.mark.parametrize("terminal", [True, False])
def test_the_live_view_shows_every_notice_and_what_ended(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    reader, writer = pty.openpty() if terminal else os.pipe()
    stream = Stream(writer)
    view = LiveView(stream)
    for number, notice in enumerate(EVERY):
        view.show(n.Entry(seq=number + 1, at="2026-01-31T12:00:00.000Z", notice=notice))
    view.show(n.Entry(seq=98, at="", notice=n.DownloadClaimed(download_id=4, url="http://h/b%20c.bin")))
    view.show(n.Entry(seq=99, at="", notice=failed(4, HOSTILE)))
    view.close()
    os.close(writer)
    text = read_all(reader)
    assert "a.bin" in text
    assert "✓ 2.0 KiB in 12 s" in text
    assert "✗ failed: The server has no such file (404)." in text
    assert "b c.bin" in text
    assert "\x1b]0;owned" not in text
    assert "\u202e" not in text
    assert ("\x1b" in text) is terminal


def test_the_live_view_takes_any_url_for_a_name() -> None:
    reader, writer = os.pipe()
    view = LiveView(Stream(writer))
    for number, url in enumerate(["http://[", "", "magnet:?xt=urn:btih:0", "http://host/", "\x00"]):
        view.show(n.Entry(seq=1, at="", notice=n.DownloadClaimed(download_id=number, url=url)))
        view.show(n.Entry(seq=1, at="", notice=failed(number)))
    view.close()
    os.close(writer)
    assert read_all(reader).count("✗ failed") == 5
