"""Maps HTTP and transport errors to a code, a message, and whether a retry may help."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from reactor import numbers
from reactor.errors import DownloadError
from reactor.failures import http_failure, status_phrase
from reactor.net.client import NoAnswer, NotConnected, NotHttp, UnsendableRequest

RETRY_AFTER_MAX_S = 24 * 3600.0
"""No server makes us wait longer."""


def status_failure(status: int, url: str, headers: Mapping[str, str] | None = None) -> DownloadError:
    """The error for an unsuccessful status. `headers` are keyed by lower-case names."""
    host, headers = urlsplit(url).hostname or "The server", headers or {}
    found = http_failure(status)
    return DownloadError(
        f"{host} answered {status}{status_phrase(status)}: {found.meaning}.",
        hint=found.hint,
        code=found.code,
        retryable=found.retryable,
        retry_after_s=retry_after_s(headers.get("retry-after"), headers.get("date")),
    )


def retry_after_s(value: str | None, date: str | None = None) -> float | None:
    """Seconds to wait, from `Retry-After`: a number, or a date by the server's own clock where it sends one."""
    if value is None:
        return None
    value = value.strip()
    seconds = numbers.size(value)
    if seconds is not None:
        return min(float(seconds), RETRY_AFTER_MAX_S)
    until, now = _moment(value), _moment(date) or datetime.now(UTC)
    return None if until is None else min(max((until - now).total_seconds(), 0.0), RETRY_AFTER_MAX_S)


def transport_failure(error: Exception, url: str) -> DownloadError:
    """The error for a request without a response."""
    # After a redirect it is not the one first asked.
    host = (error.host if isinstance(error, NoAnswer) else urlsplit(url).hostname) or "The server"
    if isinstance(error, TimeoutError):
        return DownloadError(f"{host} did not answer in time.", code="timeout", retryable=True)
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, socket.gaierror):
            sentence = f"The host {host} does not exist, or its name cannot be resolved now."
            return DownloadError(sentence, code="dns", retryable=True)
        if isinstance(cause, ssl.SSLCertVerificationError):
            sentence = f"The certificate of {host} is not valid: {cause.verify_message.rstrip('.')}."
            return DownloadError(sentence, code="tls")
    if any(isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError) for cause in causes):
        return DownloadError(f"The TLS connection to {host} failed.", code="tls", retryable=True)
    if isinstance(error, UnsendableRequest):
        return DownloadError("This URL cannot be requested.", code="bad_url")
    if isinstance(error, NotConnected):
        return DownloadError(f"{host} refuses the connection.", code="unreachable", retryable=True)
    if isinstance(error, NotHttp):
        return DownloadError(f"The server at {host} does not speak HTTP.", code="bad_answer")
    return DownloadError(f"{host} closed the connection too early.", code="connection_lost", retryable=True)


def _moment(date: str | None) -> datetime | None:
    try:
        found = parsedate_to_datetime(date or "")
    except (ValueError, OverflowError):  # a year of 20 digits
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, its causes, and those of every member of a group."""
    seen: set[int] = set()
    todo = [error]
    while todo:
        current = todo.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        todo += [current.__cause__, current.__context__]
        if isinstance(current, BaseExceptionGroup):
            todo += current.exceptions
