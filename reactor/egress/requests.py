"""Parses requests to the guard: `CONNECT host:port`, or one plain HTTP request with an absolute URL. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import field

import h11

from reactor.patterns import pattern
from reactor.records import dataclass

BODY_MAX = 8 * 1024 * 1024
HEAD_MAX = 64 * 1024
HOST_MAX = 300

_AUTHORITY = pattern(rb"(?:\[([0-9a-fA-F:.]+)\]|([^\x00-\x20\x7f-\xff:/?#\[\]@]+))(?::(\d{1,5}))?")
_ABSOLUTE = pattern(rb"http://([^/?#]*)([^#]*)", re.IGNORECASE)
_FOLDED = pattern(rb"\n[ \t]")
_OURS = frozenset({b"connection", b"expect", b"host", b"keep-alive", b"te", b"trailer", b"upgrade"})
"""Hop-by-hop headers, and `Host`, which is written anew. Headers that begin with `proxy-` are dropped, too."""


class BadProxyRequest(Exception):
    """The input is not a proxy request."""


@dataclass(frozen=True, slots=True)
class ProxyRequest:
    """A parsed request."""

    host: str
    port: int
    user: str = ""
    secret: str = field(default="", repr=False)
    opening: bytes | None = field(default=None, repr=False)
    """What to send to the server; None: the client asks for a tunnel."""


class RequestReader:
    """Collects bytes until they are one complete request."""

    def __init__(self) -> None:
        self._server = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_MAX)
        self._raw = bytearray()
        self._head: h11.Request | None = None
        self._body = bytearray()

    def take(self, data: bytes) -> ProxyRequest | None:
        """The request, or None while it is incomplete. Raises BadProxyRequest."""
        if self._head is None:
            self._raw += data
        try:
            self._server.receive_data(data)
            while True:
                event = self._server.next_event()
                if event is h11.NEED_DATA or event is h11.PAUSED:
                    return None
                if isinstance(event, h11.Request):
                    self._head = event
                    _check(event, re.split(rb"\r?\n\r?\n", self._raw, maxsplit=1)[0])
                elif isinstance(event, h11.Data):
                    self._body += event.data
                    if len(self._body) > BODY_MAX:
                        raise BadProxyRequest("too long")
                elif isinstance(event, h11.EndOfMessage) and self._head is not None:
                    if self._server.trailing_data[0]:
                        raise BadProxyRequest("there is more than one request")
                    return _read(self._head, bytes(self._body))
                else:
                    raise BadProxyRequest("it ends too early")
        except h11.ProtocolError as error:
            raise BadProxyRequest(str(error)) from None


def _check(head: h11.Request, raw: bytes) -> None:
    """Refuse ambiguous requests (request smuggling) and those that are too long. Raises BadProxyRequest."""
    names = [name for name, _ in head.headers]
    if len(raw) > HEAD_MAX:
        raise BadProxyRequest("too long")
    if b"transfer-encoding" in names and (b"content-length" in names or head.http_version != b"1.1"):
        raise BadProxyRequest("it states its length twice")
    if _FOLDED.search(raw):
        raise BadProxyRequest("a header is folded")


def _read(head: h11.Request, body: bytes) -> ProxyRequest:
    headers = dict(head.headers)
    user, secret = _credentials(headers.get(b"proxy-authorization", b""))
    if head.method == b"CONNECT":
        return ProxyRequest(*_place(head.target, None), user, secret)
    absolute = _ABSOLUTE.fullmatch(head.target)
    if not absolute:
        raise BadProxyRequest("it names no http URL")
    host, port = _place(absolute[1], 80)
    named = headers.get(b"host")
    if named is not None and _place(named.lower(), 80) != (host.lower(), port):
        raise BadProxyRequest("its Host differs from its URL")
    return ProxyRequest(host, port, user, secret, _opening(head, absolute, body))


def _place(authority: bytes, default: int | None) -> tuple[str, int]:
    found = _AUTHORITY.fullmatch(authority)
    port = int(found[3]) if found and found[3] else default
    if not found or not port or port > 65_535 or len(authority) > HOST_MAX:
        raise BadProxyRequest("it names no host and port")
    return (found[1] or found[2]).decode("ascii"), port


def _opening(head: h11.Request, absolute: re.Match[bytes], body: bytes) -> bytes:
    """The request for the origin server, with `Connection: close`: the next one may be for another server."""
    kept = [
        (name, value)
        for name, value in head.headers.raw_items()
        if name.lower() not in _OURS and not name.lower().startswith(b"proxy-")
    ]
    path = absolute[2] if absolute[2].startswith(b"/") else b"/" + absolute[2]
    client = h11.Connection(h11.CLIENT)
    headers = [(b"Host", absolute[1]), *kept, (b"Connection", b"close")]
    parts = [client.send(h11.Request(method=head.method, target=path, headers=headers))]
    if body:
        parts.append(client.send(h11.Data(data=body)))
    parts.append(client.send(h11.EndOfMessage()))
    return b"".join(part or b"" for part in parts)


def _credentials(header: bytes) -> tuple[str, str]:
    scheme, _, encoded = header.partition(b" ")
    if scheme.lower() != b"basic":
        return "", ""
    try:
        user, _, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, secret
