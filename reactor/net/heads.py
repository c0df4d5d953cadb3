"""Heads of HTTP answers that are not quite HTTP, rewritten as the standard has them.

Clients for people accept them: a space before the colon, a line without one, an empty name, control characters,
`http/1.1` in lower case, a length twice or one that is none. h11 refuses them, rightly for a server; a client that does
so misses files. aria2c (1.36) itself refuses the first three. Pure.
"""

from __future__ import annotations

import re

from reactor.patterns import pattern

END = pattern(rb"\r?\n\r?\n")
"""Where a head ends."""
_STATUS = pattern(rb"(?:http/(\d)\.(\d)|icy)[ \t]+(\d{3})(?:[ \t]+([^\r\n]*))?", re.IGNORECASE)
_FOLD = pattern(rb"\r?\n[ \t]+")
_TOKEN = pattern(rb"[!#$%&'*+.^_`|~0-9a-z-]+", re.IGNORECASE)
_UNSEEN = pattern(rb"[\x00-\x08\x0a-\x1f\x7f]")
_LENGTH = pattern(rb"(\d{1,20})(?:[ \t]*,[ \t]*\1)*")
_ONCE = (b"content-length", b"transfer-encoding")


def may_be_head(begin: bytes) -> bool:
    """False when an answer that begins so is none, however it goes on."""
    begin = begin[:5].lower()
    return b"http/".startswith(begin) or b"icy ".startswith(begin[:4])


def repaired(head: bytes) -> bytes:
    """The head as HTTP/1.1 has it; unchanged when it does not begin with a status line. What cannot be understood of
    it is left out: of lengths that contradict one another the first counts."""
    first, _, rest = head.partition(b"\n")
    status = _STATUS.fullmatch(first.rstrip(b"\r \t"))
    if status is None:
        return head
    version = b"1.0" if status[1] is None or (status[1], status[2]) == (b"1", b"0") else b"1.1"
    lines = [b"HTTP/%s %s %s" % (version, status[3], _UNSEEN.sub(b"", status[4] or b""))]
    seen: set[bytes] = set()
    for line in _FOLD.sub(b" ", rest).splitlines():
        name, colon, value = line.partition(b":")
        name, value = name.strip(), _UNSEEN.sub(b"", value).strip()
        key = name.lower()
        if not colon or not _TOKEN.fullmatch(name) or (key in _ONCE and key in seen):
            continue
        if key == b"content-length":
            length = _LENGTH.fullmatch(value)
            if length is None:
                continue
            value = length[1]
        if key == b"transfer-encoding" and value.lower() == b"identity":
            continue
        seen.add(key)
        lines.append(name + b": " + value)
    return b"\r\n".join([*lines, b"", b""])
