"""What is a request to the proxy, and what is not."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.egress.requests import BODY_MAX, HEAD_MAX, BadProxyRequest, ProxyRequest, RequestReader

LOGIN = "Basic " + base64.b64encode(b"gid:s3cret").decode()


def read(raw: bytes, piece: int | None = None) -> ProxyRequest | None:
    reader, request = RequestReader(), None
    for start in range(0, len(raw), piece or len(raw)):
        assert request is None
        request = reader.take(raw[start : start + (piece or len(raw))])
    return request


def get(*lines: str, url: str = "http://a.example/x?y=1") -> bytes:
    return "\r\n".join([f"GET {url} HTTP/1.1", *lines, "", ""]).encode()


@pytest.mark.parametrize("piece", [None, 1, 7])
def test_a_tunnel(piece: int | None) -> None:
    raw = f"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\nProxy-Authorization: {LOGIN}\r\n\r\n".encode()
    assert read(raw, piece) == ProxyRequest("a.example", 443, "gid", "s3cret", None)
    assert "s3cret" not in repr(read(raw))


@pytest.mark.parametrize("piece", [None, 1, 7])
def test_a_plain_request_is_made_anew(piece: int | None) -> None:
    lines = ("Host: a.example", f"Proxy-Authorization: {LOGIN}", "Proxy-Connection: keep-alive", "Connection: x-a")
    request = read(get(*lines, "Keep-Alive: 5", "TE: trailers", "Upgrade: h2c", "Cookie: a=b", "X-A: 1"), piece)
    assert request is not None
    assert (request.host, request.port, request.user, request.secret) == ("a.example", 80, "gid", "s3cret")
    assert request.opening == (
        b"GET /x?y=1 HTTP/1.1\r\nHost: a.example\r\nCookie: a=b\r\nX-A: 1\r\nConnection: close\r\n\r\n"
    )
    assert "s3cret" not in repr(request)


@pytest.mark.parametrize(
    ("lines", "body"),
    [(("Content-Length: 3",), b"abc"), (("Transfer-Encoding: chunked",), b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n")],
)
@pytest.mark.parametrize("piece", [None, 1])
def test_a_body(lines: tuple[str, ...], body: bytes, piece: int | None) -> None:
    raw = get("Host: a.example", *lines).replace(b"GET", b"POST") + body
    request = read(raw, piece)
    assert request is not None
    assert request.opening is not None
    assert request.opening.partition(b"\r\n\r\n")[2] in (b"abc", b"3\r\nabc\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("http://a.example", "a.example", 80, b"/"),
        ("HTTP://A.example:8080/", "A.example", 8080, b"/"),
        ("http://a.example?q", "a.example", 80, b"/?q"),
        ("http://[::1]:81/x", "::1", 81, b"/x"),
        ("http://[::ffff:127.0.0.1]/x", "::ffff:127.0.0.1", 80, b"/x"),
        ("http://2130706433/x", "2130706433", 80, b"/x"),
    ],
)
def test_where_it_goes(url: str, host: str, port: int, path: bytes) -> None:
    named = url.partition("//")[2].partition("/")[0].partition("?")[0]
    request = read(get(f"Host: {named}", url=url))
    assert request is not None
    assert (request.host, request.port) == (host, port)
    assert request.opening is not None
    assert request.opening.startswith(b"GET " + path + b" HTTP/1.1\r\nHost: " + named.encode())


SMUGGLED = {
    "both lengths": get("Host: a.example", "Content-Length: 3", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "both lengths, the other way": get("Host: a.example", "Transfer-Encoding: chunked", "Content-Length: 3"),
    "two lengths": get("Host: a.example", "Content-Length: 3", "Content-Length: 4") + b"abcd",
    "a list of lengths": get("Host: a.example", "Content-Length: 3, 4") + b"abcd",
    "a signed length": get("Host: a.example", "Content-Length: +3") + b"abc",
    "another coding": get("Host: a.example", "Transfer-Encoding: xchunked") + b"0\r\n\r\n",
    "two codings": get("Host: a.example", "Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n",
    "an old chunked one": get("Host: a.example", "Transfer-Encoding: chunked").replace(b"1.1", b"1.0") + b"0\r\n\r\n",
    "a folded header": get("Host: a.example", "X-A: 1", " Transfer-Encoding: chunked"),
    "a header folded by a tab": get("Host: a.example", "X-A: 1", "\tb"),
    "a folded header, bare line ends": get("Host: a.example", "X-A: 1", "\tb").replace(b"\r", b""),
    "another host": get("Host: b.example"),
    "another port": get("Host: a.example:81"),
    "two hosts": get("Host: a.example", "Host: b.example"),
    "no host": get(),
    "a second request": get("Host: a.example") + get("Host: b.example"),
    "bytes behind it": get("Host: a.example") + b"x",
    "bytes behind a tunnel's": b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\nGET",
    "a blank before the colon": get("Host : a.example"),
    "a NUL": get("Host: a.example", url="http://a.example/\0"),
    "a bare CR": get("Host: a.example", "X-A: 1\rX-B: 2"),
}
OTHER = {
    "a path": get("Host: a.example", url="/x"),
    "https in plain": get("Host: a.example", url="https://a.example/"),
    "another scheme": get("Host: a.example", url="ftp://a.example/"),
    "user info": get("Host: a.example", url="http://u:p@a.example/"),
    "user info that looks like a host": get("Host: b.example", url="http://b.example@a.example/"),
    "a backslash": get("Host: a.example", url="http://b.example\\@a.example/"),
    "a scope": get("Host: [fe80::1%25lo]", url="http://[fe80::1%25lo]/"),
    "port 0": get("Host: a.example:0", url="http://a.example:0/"),
    "a port too high": get("Host: a.example:65536", url="http://a.example:65536/"),
    "a port that is none": get("Host: a.example", url="http://a.example:8a/"),
    "no host at all": get("Host:", url="http:///x"),
    "a Host that is not ASCII": get("Host: \xff").replace(b"\xc3\xbf", b"\xff"),
    "letters that are not ASCII": get("Host: a.example", url="http://ä.example/"),
    "a long host": get("Host: a.example", url=f"http://{'a' * 301}/"),
    "a tunnel without a port": b"CONNECT a.example HTTP/1.1\r\nHost: a.example\r\n\r\n",
    "a tunnel to a URL": b"CONNECT http://a.example:80 HTTP/1.1\r\nHost: a.example\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n",
    "SOCKS": b"\x05\x01\x00\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a long head": get("Host: a.example", f"X-A: {'a' * HEAD_MAX}"),
    "a long body": get("Host: a.example", f"Content-Length: {BODY_MAX + 1}") + bytes(BODY_MAX + 1),
}


@pytest.mark.parametrize("name", SMUGGLED | OTHER)
def test_what_is_refused(name: str) -> None:
    with pytest.raises(BadProxyRequest):
        read((SMUGGLED | OTHER)[name])


def test_a_head_without_an_end_is_given_up() -> None:
    reader = RequestReader()
    assert reader.take(b"GET http://a.example/ HTTP/1.1\r\n") is None
    line = b"X-A: " + b"a" * 993 + b"\r\n"
    assert not any(reader.take(line) for _ in range(HEAD_MAX // 1000))
    with pytest.raises(BadProxyRequest):
        reader.take(line)


@pytest.mark.parametrize("header", ["", "Basic", "Basic !", "Basic =", "Bearer abc", "Basic /w=="])
def test_a_login_that_cannot_be_read_is_none(header: str) -> None:
    request = read(get("Host: a.example", f"Proxy-Authorization: {header}"))
    assert request is not None
    assert (request.user, request.secret) == ("", "")


@given(st.binary(max_size=400))
def test_any_bytes_are_a_request_or_none(raw: bytes) -> None:
    for start in (b"", b"GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n", b"CONNECT "):
        try:
            request = RequestReader().take(start + raw)
        except BadProxyRequest:
            continue
        assert request is None or request.host.isascii()


@given(
    request=st.sampled_from(["CONNECT", "GET"]),
    target=st.binary(max_size=40),
    host=st.binary(max_size=40),
    login=st.binary(max_size=40),
    more=st.binary(max_size=60),
)
def test_any_bytes_in_each_place_of_a_request_are_a_request_or_none(
    request: str, target: bytes, host: bytes, login: bytes, more: bytes
) -> None:
    place = b"http://" + target if request == "GET" else target
    for named in (host, target):
        lines = [
            request.encode() + b" " + place + b" HTTP/1.1",
            b"Host: " + named,
            b"Proxy-Authorization: Basic " + login,
        ]
        try:
            found = RequestReader().take(b"\r\n".join([*lines, b"X-A: " + more, b"", b""]))
        except BadProxyRequest:
            continue
        assert found is None or found.host.isascii()
