"""Reads the heads of plain HTTP answers on their way through a tunnel.

aria2c (1.36, 1.37) keeps a bit for each MiB that it is promised, and aborts, with the transfers of everybody, when
there is no memory for them. What is encrypted cannot be read here.
"""

from __future__ import annotations

import re

from reactor.numbers import SIZE_MAX

HEAD_MAX = 256 * 1024
"""Bytes of a head that is still read: aria2 takes no longer one."""
_REQUEST = re.compile(rb"(GET|HEAD|POST) ")
_END = re.compile(rb"\r?\n\r?\n")
_INTERIM = re.compile(rb"HTTP/\d\.\d 1\d\d")
_DIGITS = re.compile(rb"\d+")
_LENGTH = re.compile(rb"\ncontent-length: *(\d+)\r?\n", re.IGNORECASE)
_LENGTHS = (b"content-length", b"content-range")
DIGITS_MAX = len(str(SIZE_MAX))

Data = bytes | bytearray | memoryview


class Unbelievable(Exception):
    """An answer promises more than any file has."""


class Answers:
    """What goes through one tunnel. A request is not sent before the answer to the one before it is there."""

    def __init__(self) -> None:
        self._head: bytearray | None = None
        """What has come of a head that is awaited."""
        self._asked = b""
        """The last request's method."""
        self._left = 0
        """Bytes of the answer that are still to come, as far as that is said."""

    def asked(self, data: Data) -> None:
        """This goes to the server."""
        found = _REQUEST.match(data)
        if found is not None:
            self._head, self._asked, self._left = bytearray(), bytes(found[1]), 1

    @property
    def unfinished(self) -> bool:
        """True when more of an answer is to come; also of what cannot be read, for all that is known."""
        return not self._asked or self._left > 0

    def answered(self, data: Data) -> Data:
        """This came from it; what of it may be passed on. Raises Unbelievable."""
        if self._head is None:
            self._left -= min(len(data), self._left)
            return data
        self._head += data
        passed = bytearray()
        while self._head is not None:
            end = _END.search(self._head)
            if end is None and len(self._head) <= HEAD_MAX:
                return passed  # the rest of it is awaited
            head = bytes(self._head[: end.end()] if end else self._head)
            if any(_unbelievable(line) for line in head.splitlines()):
                raise Unbelievable
            passed += head
            rest = self._head[len(head) :]
            self._head = rest if _INTERIM.match(head) else None
            if self._head is None:
                passed += rest
                length = _LENGTH.search(head) if self._asked == b"GET" else None
                self._left = max(0, (int(length[1]) if length else 0) - len(rest))
        return passed


def _unbelievable(line: bytes) -> bool:
    name, _, value = line.partition(b":")
    if name.strip().lower() not in _LENGTHS:
        return False
    numbers = (number.lstrip(b"0") for number in _DIGITS.findall(value))
    return any(len(number) > DIGITS_MAX or int(number or b"0") > SIZE_MAX for number in numbers)
