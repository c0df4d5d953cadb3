"""`reactor defaults` as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

from reactor.sync_queue import SyncQueue
from tests.cli.command import reactor


def test_what_an_owner_always_wants_is_set_shown_and_forgotten(tmp_path: Path) -> None:
    def told(*words: str) -> object:
        run = reactor("defaults", *words, cwd=tmp_path)
        assert run.returncode == 0, run.stderr
        return json.loads(run.stdout)

    sound = {"want": "audio", "audio": {"format": "mp3"}}
    assert told("42", "--audio", "mp3") == sound
    assert told("42", "--quality", "720") == sound | {"quality": 720}, "beside what was set before"
    assert told("42", "--options", '{"want": null, "audio": null}') == {"quality": 720}
    assert told("--quality", "144") == {"quality": 144}, "of rows without an owner"
    assert (told("42"), told("43"), told()) == ({"quality": 720}, {}, {"quality": 144})
    assert told("42", "--clear", "--ask", "all") == {"ask": "all"}
    assert told("42", "--clear") == {}
    with SyncQueue(tmp_path / "downloads.db") as queue:
        assert (queue.defaults(42), queue.defaults(None)) == ({}, {"quality": 144})
        queue.set_defaults(None, None)
        assert queue.defaults(None) == {}


def test_what_is_no_option_changes_nothing(tmp_path: Path) -> None:
    refused = reactor("defaults", "42", "--quality", "7", cwd=tmp_path)
    assert (refused.returncode, refused.stderr.count("`quality`")) == (2, 1)
    missing = reactor("defaults", "42", cwd=tmp_path)
    assert (missing.returncode, missing.stdout) == (2, "")
