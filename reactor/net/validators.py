"""What a server says by which the same bytes are told from others: ETag and Last-Modified (RFC 9110, 8.8)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from reactor.patterns import pattern

VALIDATOR_MAX = 1024
"""Characters; a longer one is none: it would stand in every plan and every request."""
_STRONG_TAG = pattern(r'"[\x21\x23-\x7e]*"')
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
