"""Maps yt-dlp's exceptions to a code, a message, and whether a retry may help.

The class of the error counts first, its text second (`TEXTS`, in this order), what the network did third.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from reactor.errors import DownloadError, Failure
from reactor.extractors.ytdlp.process import HINT
from reactor.failures import COOKIES_HELP
from reactor.net.credentials import redact_text
from reactor.net.failures import RETRY_AFTER_MAX_S, status_failure
from reactor.patterns import pattern
from reactor.records import dataclass

SAID_MAX = 300
"""Characters of a site's own words that are shown."""

_PROXY = "A proxy in another country may help (YTDLP_PROXY), unless the file itself is restricted too."
_UPDATE = f"{HINT}."
ROBOT = "The site asks to prove that we are not a robot."

CLASSES: Mapping[str, Failure] = {
    "GeoRestrictedError": Failure("geo_blocked", "This video is not available in the country of this machine.", _PROXY),
    "UserNotLive": Failure("not_started", "This channel is not live now."),
    "CookieLoadError": Failure("bad_cookies", "yt-dlp does not understand the cookies.", COOKIES_HELP),
    "SyntaxError": Failure("settings", "YTDLP_FORMAT: yt-dlp does not understand this format selection."),
    "MemoryError": Failure("out_of_memory", "yt-dlp ran out of memory on this page.", _UPDATE),
    "AnswerTooLong": Failure("too_large", "yt-dlp's result for this page is too large."),
    "RecursionError": Failure("redirect_loop", "The pages at this address redirect in a loop."),
}
"""Name of a class among the causes → what it means."""


@dataclass(frozen=True, slots=True)
class Text:
    """A message of a site, and the failure it means."""

    pattern: re.Pattern[str]
    failure: Failure


def _text(words: str, code: str, message: str, hint: str | None = None, *, retryable: bool = False) -> Text:
    return Text(pattern(words, re.IGNORECASE), Failure(code, message, hint, retryable))


TEXTS = (
    _text(r"\bDRM\b", "drm", "This video is protected by DRM, which cannot be downloaded."),
    _text(r"not a bot|captcha|anti-bot", "needs_cookies", ROBOT, COOKIES_HELP),
    _text(
        r"confirm your age|age[- ](?:restrict|verif|limit|gate|confirm)|inappropriate for some|\bNSFW\b",
        "needs_cookies",
        "This video is for adults only, and the site wants to know who asks.",
        COOKIES_HELP,
    ),
    _text(r"\bprivate\b", "private", "This video is private.", COOKIES_HELP),
    _text(
        r"geo[- ]?(?:restrict|block)|(?:in|from) your (?:country|location|region)|your country",
        "geo_blocked",
        "This video is not available in the country of this machine.",
        _PROXY,
    ),
    _text(
        r"(?:this|the) (?:live event|live ?stream|stream|event) (?:will|has not|hasn't|is scheduled)"
        r"|premieres? (?:in|will)|will begin|not (?:yet )?started|is upcoming",
        "not_started",
        "This broadcast has not started yet.",
    ),
    _text(
        r"members?[- ]only|subscri(?:be|ption|ber)|paywall|purchase|\bpaid\b|premium|supporter[s-]|join this channel",
        "needs_login",
        "This video is for paying members only.",
        COOKIES_HELP,
    ),
    _text(
        r"sign(?:ed)?[- ]?in|log(?:ged)?[- ]?in\b|login|registered users|authenticat|credentials",
        "needs_login",
        "The site shows this video only to signed-in users.",
        COOKIES_HELP,
    ),
    _text(r"--cookies|cookies", "needs_cookies", "The site requires the cookies of a signed-in browser.", COOKIES_HELP),
    _text(r"rate[- ]?limit|too many requests", "rate_limited", "The site got too many requests.", retryable=True),
    _text(r"IP address is blocked", "geo_blocked", "The site blocks the IP address of this machine.", _PROXY),
    _text(
        r"removed|deleted|terminated|no longer (?:available|exists)|(?:does not|doesn't) exist|not found|expired"
        r"|(?:video|content|post|page|this) (?:is )?(?:un|not )available|taken down",
        "not_found",
        "This video does not exist, or was removed.",
        "Check the URL.",
    ),
    _text(
        r"requested format is not available",
        "unsupported",
        "This video is not available in the requested quality.",
        "Check YTDLP_FORMAT.",
    ),
    _text(r"no video formats found", "bad_answer", "yt-dlp found no video URL on this page.", _UPDATE),
    _text(r"piracy|no longer supported", "unsupported", "yt-dlp does not support this site."),
    _text(
        r"impersonat", "unsupported", "This site accepts only browsers.", "curl_cffi may help: pip install curl_cffi."
    ),
)

NETWORK: Mapping[str, Failure] = {
    "CertificateVerifyError": Failure("tls", "The certificate of {host} is not valid."),
    "gaierror": Failure("dns", "The host {host} does not exist, or its name cannot be resolved now.", None, True),
    "NameResolutionError": Failure("dns", "The host {host} does not exist, or cannot be resolved now.", None, True),
    "ProxyError": Failure("proxy", "The proxy of YTDLP_PROXY does not work.", None, True),
    "SSLError": Failure("tls", "The TLS connection to {host} failed.", None, True),
    "ConnectionRefusedError": Failure("unreachable", "{host} refuses the connection.", None, True),
    "ReadTimeoutError": Failure("timeout", "{host} did not answer in time.", None, True),
    "TimeoutError": Failure("timeout", "{host} did not answer in time.", None, True),
    "TransportError": Failure("connection_lost", "{host} closed the connection too early.", None, True),
    "IncompleteRead": Failure("connection_lost", "{host} closed the connection too early.", None, True),
}
"""Name of a class among the causes → what the network did, the first that fits."""

_HTTP_ERROR = pattern(r"HTTP Error \d{3}: [\w' -]*")
"""The phrase of a status is not the site's word: the status itself says more."""
_CHALLENGE = pattern("anti-bot challenge")
_SOON = pattern(r"\bin (a few|an?|\d+) (second|minute|hour|day)s?")
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}


class Report(BaseModel):
    """An exception, as the worker reports it."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", defer_build=True)

    kinds: list[str] = Field(min_length=1)
    """The classes of the error and of its causes."""
    text: str = ""
    expected: bool = False
    """True when the extractor foresaw it: the text is the site's answer, not a fault of yt-dlp."""
    status: Annotated[int, Field(ge=100, le=999)] | None = None
    """Of the HTTP answer that led to it."""
    retry_after: str | None = None


def for_a_browser(report: Report) -> str | None:
    """Why a browser may succeed where yt-dlp failed; None when it would not."""
    if "UnsupportedError" in report.kinds:
        return "yt-dlp knows no video on this page"
    return "the site wants a browser" if _CHALLENGE.search(report.text) else None


FOR_A_BROWSER = frozenset({
    "bad_answer", "extractor_failed", "forbidden", "out_of_memory", "unsupported", "worker_died", "ytdlp_broken",
})  # fmt: skip
"""What says something of yt-dlp, or of how the site takes it, and nothing of what a browser would see."""


_SAY_LITTLE = frozenset({
    "bad_answer", "browser_broken", "browser_crashed", "program_missing", "timeout", "too_much_memory", "unsupported",
})  # fmt: skip


def browser_may(error: DownloadError) -> bool:
    """True when a browser may succeed where yt-dlp ended so."""
    return error.code in FOR_A_BROWSER or error.message == ROBOT


def better(earlier: Failure, later: Failure) -> Failure:
    """Of what yt-dlp and then a browser said of a page, what tells a person more."""
    if earlier.code in ("needs_cookies", "needs_login", "geo_blocked") or later.code in _SAY_LITTLE:
        return earlier
    return later


def by_the_guard(report: Report) -> bool:
    """True when the egress guard refused or failed the connection."""
    return "ProxyError" in report.kinds or report.status in (502, 504)


def failure_of(report: Report, url: str) -> DownloadError:
    """The error for a person who wanted `url`."""
    for kind, failure in CLASSES.items():
        if kind in report.kinds:
            return error_of(failure)
    words = _HTTP_ERROR.sub("", report.text)
    for text in TEXTS:
        if text.pattern.search(words):
            return error_of(_with_time(text.failure, report.text))
    if report.status is not None and report.status >= 400:
        return _of_status(report, report.status, url)
    for kind, failure in NETWORK.items():
        if kind in report.kinds:
            return error_of(failure, host=urlsplit(url).hostname or "The server")
    said = _said(report.text)
    if report.expected:
        return DownloadError(f"The site refuses this video: {said}", code="refused")
    return DownloadError(f"yt-dlp does not understand this page: {said}", hint=_UPDATE, code="extractor_failed")


def _with_time(failure: Failure, text: str) -> Failure:
    """What begins within a day is worth another try at its time."""
    soon = _SOON.search(text.lower())
    if failure.code != "not_started" or not soon:
        return failure
    number = int(soon[1][:4]) if soon[1].isdigit() else 5 if soon[1] == "a few" else 1
    delay = float(number * _SECONDS[soon[2]])
    return failure if delay > RETRY_AFTER_MAX_S else Failure(failure.code, failure.message, None, True, delay)


def not_started(at: float | None) -> DownloadError:
    """The error for what begins at `at`, in seconds since the epoch; None: nobody says when."""
    message, wait = "This broadcast has not started yet", at - time.time() if at else None
    if at and wait and wait > 0:
        message += f": it is announced for {datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"
    soon = wait is not None and wait <= RETRY_AFTER_MAX_S
    return DownloadError(
        f"{message}.",
        code="not_started",
        retryable=soon,
        retry_after_s=max(wait, 0.0) if soon and wait is not None else None,
    )


def _of_status(report: Report, status: int, url: str) -> DownloadError:
    headers = {"retry-after": report.retry_after} if report.retry_after and report.retry_after.isascii() else {}
    return status_failure(status, url, headers)


def error_of(failure: Failure, **values: str) -> DownloadError:
    return DownloadError(
        failure.message.format(**values) if values else failure.message,
        hint=failure.hint,
        code=failure.code,
        retryable=failure.retryable,
        retry_after_s=failure.retry_after_s,
    )


def _said(text: str) -> str:
    """A site's words in one line, without URLs' secrets."""
    line = redact_text("".join(c if c.isprintable() else " " for c in text))
    line = " ".join(line.split()) or "it does not say why"
    return line.rstrip(".") + "." if len(line) <= SAID_MAX else line[: SAID_MAX - 1] + "…"
