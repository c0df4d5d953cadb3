"""Decodes the text of a manifest: UTF-8 unless its first bytes, or its XML declaration, say otherwise. Pure."""

from __future__ import annotations

from reactor.patterns import pattern

_DECLARED = pattern(rb"""<\?xml[^>]{0,200}?encoding=["']([A-Za-z0-9._-]{1,30})["']""")
_SINGLE_BYTE = {"iso-8859-1": "cp1252", "latin1": "cp1252", "us-ascii": "cp1252", "windows-1252": "cp1252"} | {
    name: name for name in ("iso-8859-2", "iso-8859-15", "windows-1250", "windows-1251", "koi8-r")
}


def decoded(document: bytes) -> str:
    """The text of a document; bytes that are not valid in its encoding are replaced."""
    if document.startswith((b"\xff\xfe", b"\xfe\xff")):
        return document.decode("utf-16", "replace")
    if len(document) > 1 and 0 in document[:2] and document[0] != document[1]:  # UTF-16 without a byte order mark
        return document.decode("utf-16-le" if document[1] == 0 else "utf-16-be", "replace")
    text = document.decode("utf-8-sig", "replace")
    declared = _DECLARED.match(document.lstrip())
    encoding = _SINGLE_BYTE.get(declared[1].decode().lower()) if declared else None
    return document.decode(encoding, "replace") if encoding and "\ufffd" in text else text
