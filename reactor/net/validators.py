"""What a server says by which the same bytes are told from others: ETag and Last-Modified (RFC 9110, 8.8), and
digests."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from reactor.patterns import pattern

VALIDATOR_MAX = 1024
"""Characters; a longer one is none: it would stand in every plan and every request."""
_STRONG_TAG = pattern(r'"[\x21\x23-\x7e]*"')
_REPR_DIGEST = pattern(r"(?:^|,)\s*([a-z0-9-]+)\s*=\s*:([a-z0-9+/=]+):", re.IGNORECASE)
_DIGEST = pattern(r"(?:^|,)\s*([a-z0-9-]+)\s*=\s*([a-z0-9+/=]+)", re.IGNORECASE)
_CHECKSUMS = {"sha-256": ("sha-256", 32), "sha-512": ("sha-512", 64), "sha": ("sha-1", 20)}
"""As the headers call them, best first: aria2's name, and bytes."""
_LINE = pattern(r"[\x20-\x7e]+")


def validator_of(headers: Mapping[str, str]) -> tuple[str | None, bool]:
    """The validator of an answer, and whether it is a strong one. `headers` by names in lower case.

    A strong one may stand in If-Range: equal ones mean equal bytes. It is an ETag that is not weak, or, of an answer
    that has none, a Last-Modified at least a second older than the answer (RFC 9110, 13.1.5 and 8.8.2.2). A weak one
    can only tell that the thing has changed: another date, or another weak ETag where there is no date."""
    etag, modified = _clean(headers.get("etag")), _clean(headers.get("last-modified"))
    if etag and _STRONG_TAG.fullmatch(etag):
        return etag, True
    if modified is None:
        return etag, False
    return modified, etag is None and _settled(modified, headers.get("date"))


def checksum_of(headers: Mapping[str, str]) -> str | None:
    """The checksum of the whole that a server tells, as aria2's option has it: Repr-Digest (RFC 9530), or Digest
    (RFC 3230); None where there is none, or it is that of a packed form."""
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        return None
    for header, form in (("repr-digest", _REPR_DIGEST), ("digest", _DIGEST)):
        told = {name.lower(): value for name, value in form.findall(headers.get(header, "")[:VALIDATOR_MAX])}
        for name, (known, size) in _CHECKSUMS.items():
            raw = _from_base64(told.get(name, ""))
            if len(raw) == size:
                return f"{known}={raw.hex()}"
    return None


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""


def _clean(value: str | None) -> str | None:
    value = (value or "").strip()
    return value if len(value) <= VALIDATOR_MAX and _LINE.fullmatch(value) else None


def _settled(modified: str, date: str | None) -> bool:
    """True when nothing can have been changed a second time within the second that `modified` names."""
    then, answered = _moment(modified), _moment(date)
    # An answer without a date is as old as its arrival (RFC 9110, 6.6.1).
    return then is not None and (answered or time.time()) - then >= 1


def _moment(date: str | None) -> float | None:
    try:
        found = parsedate_to_datetime(date or "")
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, TypeError):
        return None
