"""Reads what passes unencrypted through a tunnel: repairs the heads of answers, refuses implausible lengths.

aria2c (1.36, 1.37) allocates a bit for each MiB that an answer announces, and aborts with all of its transfers when
that allocation fails. It refuses heads that are not quite HTTP (1.36), so it gets them as `net.heads.repaired` writes
them. It has one cookie jar for all rows, and looks into it unless it is told a cookie: an empty one, which no server
needs to see (`aria2.options`). Encrypted bytes cannot be read here.
"""

from __future__ import annotations

import re

from reactor.net.heads import END, repaired
from reactor.numbers import SIZE_MAX
from reactor.patterns import pattern

HEAD_MAX = 256 * 1024
"""Longer heads are not read: aria2 refuses them."""
_REQUEST = pattern(rb"(GET|HEAD|POST) ")
_FOR_NOBODY = pattern(rb"(?<=\r\n)(?:cookie:[ \t]*|want-digest:[^\r\n]*)\r\n", re.IGNORECASE)
_INTERIM = pattern(rb"HTTP/\d\.\d 1\d\d")
_DIGITS = pattern(rb"\d+")
_LENGTH = pattern(rb"\ncontent-length: *(\d+)\r?\n", re.IGNORECASE)
_LENGTHS = (b"content-length", b"content-range")
DIGITS_MAX = len(str(SIZE_MAX))

Data = bytes | bytearray | memoryview


class ImplausibleLength(Exception):
    """An answer announces more bytes than any file has."""


class Answers:
    """Follows the requests and answers of one tunnel. Clients do not pipeline."""

    def __init__(self) -> None:
        self._head: bytearray | None = None
        """The received part of an incomplete head; None outside of heads."""
        self._asked = b""
        """Method of the last request."""
        self._left = 0
        """Bytes of the answer still to come, where a length was announced."""

    def asked(self, data: Data) -> Data:
        """Note bytes for the server, and return those that may be relayed: no empty `Cookie`, and no `Want-Digest`,
        which 1.36 sends always."""
        found = _REQUEST.match(data)
        if found is None:
            return data
        self._head, self._asked, self._left = bytearray(), bytes(found[1]), 1
        return _FOR_NOBODY.sub(b"", data)

    @property
    def unfinished(self) -> bool:
        """True when an answer is incomplete; also for encrypted tunnels, where that is not known."""
        return not self._asked or self._left > 0

    def answered(self, data: Data) -> Data:
        """Note bytes from the server, and return those that may be relayed. Raises ImplausibleLength."""
        if self._head is None:
            self._left -= min(len(data), self._left)
            return data
        self._head += data
        passed = bytearray()
        while self._head is not None:
            end = END.search(self._head)
            if end is None and len(self._head) <= HEAD_MAX:
                return passed
            received = bytes(self._head[: end.end()] if end else self._head)
            head = repaired(received) if end else received
            if any(_is_implausible(line) for line in (*received.splitlines(), *head.splitlines())):
                raise ImplausibleLength
            passed += head
            rest = self._head[len(received) :]
            self._head = rest if _INTERIM.match(head) else None
            if self._head is None:
                passed += rest
                length = _LENGTH.search(head) if self._asked == b"GET" else None
                self._left = max(0, (int(length[1]) if length else 0) - len(rest))
        return passed


def _is_implausible(line: bytes) -> bool:
    name, _, value = line.partition(b":")
    if name.strip().lower() not in _LENGTHS:
        return False
    numbers = (number.lstrip(b"0") for number in _DIGITS.findall(value))
    return any(len(number) > DIGITS_MAX or int(number or b"0") > SIZE_MAX for number in numbers)
