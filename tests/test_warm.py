"""What is forked of a process that has imported everything is as what a person starts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from reactor.extractors.ytdlp import worker
from reactor.programs import own_code
from tests.extractors.processes import children
from tests.warm import all_exec, forked

REACTOR = [sys.executable, "-W", "error", "-m", "reactor"]
COMMANDS = {
    "help": [*REACTOR, "--help"],
    "no database": [*REACTOR, "list", "--db", "none.db"],
    "wrong": [*REACTOR, "list", "--limit", "many"],
    "own code": own_code("reactor.cli:main", "errors"),
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_it_says_and_returns_the_same(tmp_path: Path, command: list[str]) -> None:
    told = []
    for how in (nullcontext(), all_exec()):
        with how:
            done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60, check=False)
        told.append((done.returncode, done.stdout, done.stderr))
    assert told[0] == told[1]


@pytest.mark.parametrize("encoding", ["ascii:replace", "latin-1"])
def test_it_says_it_in_the_encoding_that_is_asked_for(tmp_path: Path, encoding: str) -> None:
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    command, told = [*REACTOR, "list", "--db", "\u2603-\u00e9.db"], []
    for how, forks in ((nullcontext(), 1), (all_exec(), 0)):
        before = forked()
        with how:
            done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, timeout=60, check=False)
        assert forked() == before + forks
        told.append((done.returncode, done.stdout, done.stderr))
    assert told[0] == told[1]


def test_it_is_a_child_with_a_command_line_folder_environment_and_session_of_its_own(tmp_path: Path) -> None:
    setup = {"parent": os.getpid(), "path": "", "plugins": None, "data_bytes_max": 2**30}
    for how, forks in ((nullcontext(), 1), (all_exec(), 0)):
        before = forked()
        with (
            how,
            subprocess.Popen(
                [sys.executable, "-I", worker.__file__],
                cwd=tmp_path,
                env={"HOME": str(tmp_path)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
            ) as process,
        ):
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(setup).encode() + b"\n")
            process.stdin.flush()
            assert b'"ready"' in process.stdout.readline()
            assert process.pid in children()
            assert forked() == before + forks
            place = Path(f"/proc/{process.pid}")
            assert place.joinpath("cmdline").read_bytes().split(b"\0")[1:3] == [b"-I", os.fsencode(worker.__file__)]
            assert place.joinpath("cwd").readlink() == tmp_path
            assert os.getsid(process.pid) == process.pid
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == -signal.SIGINT
