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
_VALUE = rb"[\x21-\x7e\x80-\xff](?:[^\x00-\x08\x0a-\x1f\x7f]*[\x21-\x7e\x80-\xff])?\r\n"
_PLAIN = pattern(rb"HTTP/1\.[01] [2-5]\d\d " + _VALUE + rb"((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+: " + _VALUE + rb")*)\r\n")
"""A whole head of which nothing is to be repaired, as most are; and its headers."""
_STATED = pattern(rb"^(content-length|content-range|transfer-encoding): ([^\r]*)", re.IGNORECASE | re.MULTILINE)
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
        if not self._head and (plain := _PLAIN.match(data)) is not None and self._is_plain(plain, len(data)):
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
                length = _LENGTH.search(head)
                self._follow(int(length[1]) if length else 0, len(rest))
        return passed

    def _is_plain(self, head: re.Match[bytes], received: int) -> bool:
        """Note an answer by its head, the whole of which is there, unless it is to be looked at more closely."""
        stated = _STATED.findall(head[1])
        for name, value in stated:
            if len(stated) > 1 or name[8:].lower() != b"length" or len(value) >= DIGITS_MAX or not value.isdigit():
                return False
        self._head = None
        self._follow(int(stated[0][1]) if stated else 0, received - head.end())
        return True

    def _follow(self, length: int, received: int) -> None:
        """The head is read; of the body there is the first."""
        self._left = max(0, length - received) if self._asked == b"GET" else 0


def _is_implausible(line: bytes) -> bool:
    name, _, value = line.partition(b":")
    if name.strip().lower() not in _LENGTHS:
        return False
    numbers = (number.lstrip(b"0") for number in _DIGITS.findall(value))
    return any(len(number) > DIGITS_MAX or int(number or b"0") > SIZE_MAX for number in numbers)
