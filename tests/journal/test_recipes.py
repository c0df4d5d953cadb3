"""contrib/logs: the page about the events is what the schema says, and each recipe does what is written above it."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from contrib.logs import document
from reactor.journal.ndjson import KINDS, line_schema, to_line
from reactor.notices import Entry
from tests.cli.command import environment
from tests.journal.samples import EVERY, failed
from tests.tools import needed

FOLDER = Path(document.__file__).parent
AT = "2026-01-31T12:00:{:02}.000Z"
IN_A_NAMESPACE = ("unshare", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--")
JOURNAL = """
set -eu
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/journal /run/log/journal
mount -t tmpfs tmpfs /var/log
echo 0123456789abcdef0123456789abcdef >/run/machine-id
[ -e /etc/machine-id ] && mount --bind /run/machine-id /etc/machine-id
{journald} 2>/dev/null &
until [ -S /run/systemd/journal/stdout ]; do sleep 0.05; done
{recipe} &
until journalctl --identifier=reactor --output=cat | grep -q aria2_connected; do sleep 0.1; done
kill $!
wait $!
journalctl --sync || :
{reading}
"""


def recipes() -> list[str]:
    """The commands of README.md, in order."""
    return re.findall(r"^```sh\n(.+?)\n```$", (FOLDER / "README.md").read_text(), re.MULTILINE | re.DOTALL)


def recipe(word: str) -> str:
    """The one command with this word in it."""
    (found,) = [command for command in recipes() if word in command]
    return found


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A folder with a recorded stream: one of every event, a failure more, a cut line, a sentence."""
    lines = [to_line(Entry(seq=seq, at=AT.format(seq), notice=notice)) for seq, notice in enumerate(EVERY, 1)]
    lines.append(to_line(Entry(seq=len(lines) + 1, at=AT.format(59), notice=failed(9, 'It\tsaid "no"\u202e.'))))
    path = tmp_path / "events.ndjson"
    path.write_text("\n".join([*lines, lines[3][:20], "reactor: a sentence."]) + "\n")
    return tmp_path


class TestThePage:
    def test_is_what_the_schema_says(self) -> None:
        page = document.PAGE.read_text(encoding="utf-8")
        assert document.MARK in page
        assert document.document(page) == page, "run: python -m contrib.logs.document"

    def test_has_every_event_and_field(self) -> None:
        page = document.PAGE.read_text(encoding="utf-8")
        for event, kind in KINDS.items():
            section = page.partition(f"\n## `{event}`\n")[2].partition("\n## ")[0]
            assert section, event
            for field in kind.__dataclass_fields__.keys() - {*document.STAMP, *document.OF_ROW}:
                assert f"| `{field}` |" in section, f"{event}: {field}"

    def test_every_field_says_what_it_means(self) -> None:
        kinds = line_schema()["$defs"]
        unsaid = [
            f"{kind.__name__}.{name}"
            for kind in KINDS.values()
            for name, field in kinds[kind.__name__]["properties"].items()
            if name != "event" and not field.get("description")
        ]
        assert unsaid == []


def jq(command: str, folder: Path) -> str:
    """Run a command of the README's in a folder; what it printed."""
    needed("jq")
    done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


class TestJq:
    def test_what_failed(self, recorded: Path) -> None:
        lines = [line.split("\t") for line in jq(recipe("@tsv"), recorded).splitlines()]
        assert [line[1:3] for line in lines] == [["3", "not_found"], ["9", "failed"]]
        assert lines[1] == [AT.format(59), "9", "failed", 'It\\tsaid "no"\u202e.']

    def test_the_story_of_a_row(self, recorded: Path) -> None:
        events = [json.loads(line)["event"] for line in jq(recipe(".download_id == 3"), recorded).splitlines()]
        of_row = [notice.event for notice in EVERY if getattr(notice, "download_id", None) == 3]
        assert events == [event for event in of_row if event != "download_progressed"]

    def test_how_often_what_went_wrong(self, recorded: Path) -> None:
        counted = jq(recipe("group_by"), recorded).splitlines()
        assert sorted(counted) == ["1 failed", "1 not_found", "1 timeout"]

    def test_bytes_by_the_hour(self, recorded: Path) -> None:
        assert json.loads(jq(recipe("reduce"), recorded)) == {"2026-01-31T12": 2048}

    def test_what_is_missing(self, recorded: Path) -> None:
        assert jq(recipe("entries_lost"), recorded) == "3\n"
        (recorded / "events.ndjson").write_text("")
        assert jq(recipe("entries_lost"), recorded) == "0\n"


@pytest.mark.needs("systemd-analyze", "unshare")
def test_the_journal_of_systemd(tmp_path: Path) -> None:
    """A journald of its own, in a namespace that shares nothing with the machine's, and the real reactor."""
    journald = Path("/lib/systemd/systemd-journald")
    assert journald.exists(), "systemd has no journald here"
    script = JOURNAL.format(journald=journald, recipe=recipe("systemd-cat"), reading=recipe("journalctl"))
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    settings = environment(PATH=path, DOWNLOAD_DB=str(tmp_path / "bot.db"), DOWNLOAD_DIR=str(tmp_path / "files"))
    command = [*IN_A_NAMESPACE, "bash", "-c", script]
    done = subprocess.run(command, cwd=tmp_path, env=settings, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["seq"] for line in events] == list(range(1, len(events) + 1))
    assert events[0]["event"] == "reactor_started"
    assert "aria2_connected" in [line["event"] for line in events]
    assert events[-1]["event"] == "reactor_stopped"


class TestVectorsConfiguration:
    def test_the_program_names_only_events_that_there_are(self) -> None:
        named = set(re.findall(r'"([a-z0-9]+_[a-z0-9_]+)"', (FOLDER / "reactor.vrl").read_text()))
        assert named
        assert named <= KINDS.keys()

    def test_it_holds_together(self) -> None:
        parts = yaml.safe_load((FOLDER / "vector.yaml").read_text())
        assert parts.keys() == {"sources", "transforms", "sinks"}
        given = parts["sources"].keys() | parts["transforms"].keys()
        taken = [name for kind in ("transforms", "sinks") for part in parts[kind].values() for name in part["inputs"]]
        assert set(taken) == given, "everything that comes in goes on"
        remap = parts["transforms"]["reactor_events"]
        assert (remap["type"], remap["drop_on_error"]) == ("remap", True)
        assert (FOLDER / remap["file"]).is_file()


if sys.version_info < (3, 13) and (sys.platform, platform.machine()) == ("linux", "x86_64"):
    # pyVRL, Vector's own compiler of such programs, exists as wheels for these only.

    class TestVectorsProgram:
        @pytest.fixture
        def remap(self) -> Any:
            """The program as a function of an event."""
            from pyvrl import Transform  # type: ignore[import-untyped]

            return Transform((FOLDER / "reactor.vrl").read_text()).remap

        def test_reads_every_event(self, remap: Any) -> None:
            for seq, notice in enumerate(EVERY, 1):
                line = to_line(Entry(seq=seq, at=AT.format(seq), notice=notice))
                event = remap({"message": line, "file": "events.ndjson"})
                assert event["timestamp"].isoformat(timespec="milliseconds").startswith(AT.format(seq)[:-1])
                assert event["severity"] in ("error", "warning", "info", "debug")
                sent = json.loads(line)
                del sent["at"]
                assert {name: event[name] for name in sent} == sent

        @pytest.mark.parametrize("line", ['{"v":1', "[]", "reactor: a sentence.", "{}"])
        def test_what_is_no_event_is_an_error_which_drops_it(self, remap: Any, line: str) -> None:
            with pytest.raises(ValueError, match="remap failure"):
                remap({"message": line})
