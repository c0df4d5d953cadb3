"""What the control files that aria2 really writes say, and those that nobody has written."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.aria2.control_file import Present, read_control_file
from reactor.aria2.methods import force_remove
from reactor.aria2.options import TransferPolicy, addition
from reactor.plan import Fetch
from tests.aria2.conftest import Running, fetched
from tests.aria2.servers import FileServer, some_bytes, until

DATA = some_bytes(24 * 2**20)
GID = "2089b05ecca3d829"


async def test_it_names_the_bytes_that_are_there(aria2: Running, server: FileServer, tmp_path: Path) -> None:
    url = server.add("/file", DATA, hold_at=2 * 2**20 + 100_000)
    wanted = Fetch(urls=(url,), name="file")
    await aria2.connection.call(addition(wanted, gid=GID, directory=str(tmp_path), policy=TransferPolicy()))
    await fetched(aria2.connection, GID, 8 * 2**20)
    await aria2.connection.call(force_remove(GID))
    await aria2.inbox.notified(GID, "stop")
    present = await until(lambda: read_control_file((tmp_path / "file.aria2").read_bytes()))
    assert present.total == len(DATA)
    assert present.size >= 8 * 2**20 - 4 * 16 * 1024
    assert len(present.runs) == 4, "of each connection its own"
    data = (tmp_path / "file").read_bytes()
    assert all(data[start:end] == DATA[start:end] for start, end in present.runs)


@pytest.mark.parametrize("raw", [b"", b"\0" * 10, b"\0\1" + b"\0" * 200, b"\xff" * 5000, b"\0\1" + b"\xff" * 5000])
def test_what_is_none_says_nothing(raw: bytes) -> None:
    assert read_control_file(raw) is None


@given(st.binary(max_size=200))
def test_no_bytes_break_it(raw: bytes) -> None:
    for each in (raw, b"\0\1\0\0\0\0\0\0\0\0" + raw):
        assert isinstance(read_control_file(each), Present | None)
