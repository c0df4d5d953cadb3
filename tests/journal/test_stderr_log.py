"""What libraries log: sentences, not tracebacks, and not more of them than a person would read."""

from __future__ import annotations

import logging

import pytest

from reactor.journal import stderr_log as complaints
from reactor.journal.stderr_log import LINES_MAX, logged_to_stderr


def test_an_error_is_one_sentence_that_says_where(capfd: pytest.CaptureFixture[str]) -> None:
    with logged_to_stderr():
        try:
            raise ValueError("http://me:secret@host/?key=secret\nis \x1b[2Jno answer")
        except ValueError as error:
            logging.getLogger("asyncio").error("Task exception was never retrieved\nfuture: <…>", exc_info=error)
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("reactor: Task exception was never retrieved: ValueError: http://")
    assert "(test_stderr_log.py:" in line
    assert "secret" not in line
    assert "\x1b" not in line


def test_many_are_counted(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with logged_to_stderr():
        for _ in range(LINES_MAX + 5):
            logging.getLogger("asyncio").error("It broke.")
        assert capfd.readouterr().err == "reactor: It broke.\n" * LINES_MAX
        monkeypatch.setattr(complaints, "PERIOD_S", 0.0)
        logging.getLogger("asyncio").warning("It broke again.")
    held, last = capfd.readouterr().err.splitlines()
    assert held == "reactor: 5 more log lines were suppressed."
    assert last == "reactor: It broke again."


def test_afterwards_logging_is_as_it_was() -> None:
    before = list(logging.getLogger().handlers)
    with logged_to_stderr():
        assert len(logging.getLogger().handlers) == len(before) + 1
    assert logging.getLogger().handlers == before
