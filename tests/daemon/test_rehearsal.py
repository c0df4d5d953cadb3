"""What is done before the first row comes."""

from __future__ import annotations

import subprocess
import sys

from reactor import notices
from reactor.core import commands
from reactor.core.context import Limits
from reactor.core.job import Attempt, derive_gid
from reactor.core.machine import Machine
from reactor.core.rows import ClaimedRow
from reactor.daemon.rehearsal import URL, told_of
from reactor.extractors.detect import by_text
from tests.core.world import one_file

AGAIN = """
import re, sys
from reactor import records
from reactor.core.context import Limits
from reactor.daemon.rehearsal import steps
from reactor.settings import Settings

settings, limits = Settings(download_dir="."), Limits(concurrent=1)
done, compiled, written = 0, re._compiler.compile, records._written_init

def compile(*pattern):
    print("compiled", *pattern)
    return compiled(*pattern)

def write(cls, frozen):
    print("written", cls)
    return written(cls, frozen)

for _ in steps(settings, limits):
    done += 1
re._compiler.compile, records._written_init = compile, write
again = sum(1 for _ in steps(settings, limits))
print(done, again)
"""


def test_nothing_of_it_is_left_to_be_done() -> None:
    ran = subprocess.run([sys.executable, "-c", AGAIN], capture_output=True, text=True, timeout=60, check=True)
    (first, again) = ran.stdout.split()
    assert int(first) == int(again) > 10


def test_the_row_that_is_taken_through_it_ends_well() -> None:
    attempt, machine, told = Attempt(1, 1), Machine(Limits(concurrent=1)), list[notices.Notice]()
    row = ClaimedRow(attempt, URL, detection=by_text(URL))
    for event in told_of(row, one_file(), derive_gid("rehearsal", attempt, 0)):
        decided = machine.handle(event, 0.0)
        told += [command.notice for command in decided if isinstance(command, commands.Tell)]
    assert isinstance(told[-1], notices.DownloadCompleted)
    assert not machine.jobs
