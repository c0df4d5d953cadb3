"""Heads that are not quite HTTP."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.net.heads import END, may_be_head, repaired

OK = b"HTTP/1.1 200 OK\r\n"


def read(head: bytes) -> tuple[int, list[tuple[bytes, bytes]]]:
    """What h11 reads in the repaired head."""
    http = h11.Connection(h11.CLIENT)
    http.send(h11.Request(method="GET", target="/", headers=[("Host", "h")]))
    http.send(h11.EndOfMessage())
    http.receive_data(repaired(head))
    event = http.next_event()
    assert isinstance(event, h11.Response)
    return event.status_code, list(event.headers)


@pytest.mark.parametrize(
    ("head", "headers"),
    [
        (OK + b"A: b\r\n\r\n", [(b"a", b"b")]),
        (OK + b"A : b\r\n\r\n", [(b"a", b"b")]),
        (OK + b"A:b\r\nrubbish\r\n: x\r\n\r\n", [(b"a", b"b")]),
        (OK + b"A: b\r\n  c\r\n\td\r\nE: f\r\n\r\n", [(b"a", b"b c d"), (b"e", b"f")]),
        (OK + b"A: b\x07\x00c\r\n\r\n", [(b"a", b"bc")]),
        (b"HTTP/1.1 200 OK\nA: b\n\n", [(b"a", b"b")]),
        (b"http/1.1 200 ok\r\n\r\n", []),
        (b"HTTP/1.1 200\r\n\r\n", []),
        (b"HTTP/1.1  200   OK \r\n\r\n", []),
        (b"HTTP/2.0 200 OK\r\n\r\n", []),
        (b"ICY 200 OK\r\n\r\n", []),
        (OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n", [(b"content-length", b"5")]),
        (OK + b"Content-Length: 5\r\nContent-Length: 7\r\n\r\n", [(b"content-length", b"5")]),
        (OK + b"Content-Length: 5, 5\r\n\r\n", [(b"content-length", b"5")]),
        (OK + b"Content-Length: -1\r\n\r\n", []),
        (OK + b"Content-Length: many\r\nContent-Length: 5\r\n\r\n", [(b"content-length", b"5")]),
        (OK + b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\n", [(b"content-length", b"5")]),
        (
            OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            [(b"transfer-encoding", b"chunked")],
        ),
        (OK + b"N\xc3\xa4me: x\r\nB: \xff\r\n\r\n", [(b"b", b"\xff")]),
        (OK + b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n", [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]),
    ],
)
def test_what_is_understood(head: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    assert read(head) == (200, headers)
    assert repaired(repaired(head)) == repaired(head)


@pytest.mark.parametrize(
    "head", [b"SSH-2.0-x\r\n\r\n", b"<html>\r\n\r\n", b"HTTP/1.1\r\n\r\n", b"HTTP/1.1 2000 OK\r\n\r\n"]
)
def test_what_is_no_head_stays_what_it_is(head: bytes) -> None:
    assert repaired(head) == head


def test_how_an_answer_may_begin() -> None:
    assert all(map(may_be_head, (b"", b"H", b"http/1.1 200", b"ICY 200", b"ic")))
    assert not any(map(may_be_head, (b"SSH-2.0", b"<", b"HTTX", b"icx")))


@given(lines=st.lists(st.binary(max_size=30), max_size=8))
def test_whatever_stands_in_it_is_read(lines: list[bytes]) -> None:
    head = OK + b"\r\n".join(lines) + b"\r\n\r\n"
    end = END.search(head)
    assert end is not None
    assert read(head[: end.end()])[0] == 200
