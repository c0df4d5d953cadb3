"""Variables of an HLS playlist: EXT-X-DEFINE (RFC 8216bis, section 4.4.2.3). Pure.

A playlist without EXT-X-DEFINE has none, and `{$name}` in it is plain text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from reactor.media.parts import URL_MAX, URLS_MAX, bad_manifest, too_large
from reactor.patterns import pattern

VARIABLES_MAX = 1000
_NAME = pattern(r"[A-Za-z0-9_-]{1,200}")
_REFERENCE = pattern(r"\{\$([A-Za-z0-9_-]{1,200})\}")


class Variables:
    """The variables defined so far. Replacing them adds at most `URLS_MAX` characters per playlist."""

    def __init__(self, url: str, imported: Mapping[str, str] | None = None) -> None:
        """`url`: of the playlist, for QUERYPARAM. `imported`: variables of the multivariant playlist, for IMPORT."""
        self._query = urlsplit(url).query
        self._imported = imported or {}
        self._left = URLS_MAX
        self.values: dict[str, str] = {}

    def define(self, attributes: Mapping[str, str]) -> None:
        """Take up an EXT-X-DEFINE. Raises DownloadError (`bad_manifest`) if it names no known value."""
        if (name := attributes.get("NAME")) is not None:
            value = attributes.get("VALUE")
        elif (name := attributes.get("IMPORT")) is not None:
            value = self._imported.get(name)
        elif (name := attributes.get("QUERYPARAM")) is not None:
            value = dict(parse_qsl(self._query, keep_blank_values=True)).get(name)
        if name is None or not _NAME.fullmatch(name) or value is None:
            raise bad_manifest(f"it defines the variable {(name or '')[:50]!r} without a value")
        if len(value) > URL_MAX or len(self.values) >= VARIABLES_MAX:
            raise too_large()
        self.values[name] = value

    def fill(self, text: str) -> str:
        """The text with each `{$name}` replaced. Raises DownloadError (`bad_manifest`, `too_large`)."""
        return _REFERENCE.sub(self._value, text) if self.values and "{$" in text else text

    def _value(self, found: re.Match[str]) -> str:
        value = self.values.get(found[1])
        if value is None:
            raise bad_manifest(f"it uses the variable {found[1][:50]!r} without defining it")
        self._left -= len(value)
        if self._left < 0:
            raise too_large()
        return value
