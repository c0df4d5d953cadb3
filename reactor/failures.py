"""Every `error_code` that a row may end with: its meaning, whether it is retried, and what a bot can offer.

The column `error` describes the single case in a sentence; the code is for programs, such as a bot that shows buttons.
The tests fail for a code that is missing here. `reactor errors` prints this table, and contrib/docs/error-codes.md is
generated from it.

HTTP statuses are mapped here too, in one place for reactor's own requests and for those of aria2.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Literal

from reactor.records import dataclass

__all__ = [
    "COOKIES_HELP",
    "COOKIES_SENT",
    "FAILURES",
    "HTTP",
    "OFFERS",
    "FailureKind",
    "HttpFailure",
    "Offer",
    "http_failure",
    "status_phrase",
]

Offer = Literal["retry", "wait", "other link", "log in", "operator", "report", "nothing"]
"""What a bot can offer the user; OFFERS has the meanings."""
OFFERS: Mapping[Offer, str] = {
    "retry": "Show a retry button: a later attempt may succeed.",
    "wait": "Tell the user to wait, and retry later.",
    "other link": "Ask for another link: this one will not work.",
    "log in": "Ask for a link with user:password@ in it, or for cookies.",
    "operator": "Tell the operator of the bot: a setting, a program or the machine has to be changed.",
    "report": "Nothing the user can do: it is a bug in reactor or in a program it uses, or an old version.",
    "nothing": "Nothing: it cannot be downloaded.",
}


@dataclass(frozen=True, slots=True)
class FailureKind:
    """What a code stands for."""

    meaning: str
    """One sentence."""
    offer: Offer
    retryable: bool | None = False
    """Whether reactor retries it; None: this depends on the cause."""
    uses_retry: bool = True
    """False for conditions that no retry should be charged for: it is retried without a limit."""

    @property
    def retried(self) -> str:
        """Whether it is retried, in words."""
        if self.retryable is None:
            return "depends on the cause" if self.uses_retry else "depends on the cause, without a limit"
        if not self.retryable:
            return "no"
        return "yes" if self.uses_retry else "yes, without a limit"


@dataclass(frozen=True, slots=True)
class HttpFailure:
    """The meaning of an HTTP status."""

    code: str
    meaning: str
    """What follows "The server answered 404 (Not Found): "."""
    retryable: bool = False
    hint: str | None = None


FAILURES: Mapping[str, FailureKind] = {
    # The link
    "bad_url": FailureKind("This is not a URL that can be downloaded.", "other link"),
    "bad_magnet": FailureKind("The magnet link names no torrent that aria2 supports.", "other link"),
    "bad_torrent": FailureKind("The torrent file is damaged, or of a kind that aria2 does not support.", "other link"),
    "bad_metalink": FailureKind(
        "The metalink cannot be parsed, or names nothing that can be downloaded.", "other link"
    ),
    "bad_manifest": FailureKind("The HLS or DASH manifest cannot be parsed.", "other link"),
    "bad_feed": FailureKind("The RSS or Atom feed cannot be parsed.", "other link"),
    "unsupported": FailureKind(
        "No file or media was found at this URL, or it is of an unsupported kind.", "other link"
    ),
    "playlist": FailureKind("The URL is a list, and none of its entries can be downloaded.", "other link"),
    "partial": FailureKind(
        "The row is `downloaded`: some entries of its list were downloaded, others were not.", "retry"
    ),
    "unsafe_name": FailureKind("A name in the torrent would lead out of its folder.", "other link"),
    "unsafe_file": FailureKind("What was downloaded is not a regular file or folder.", "other link"),
    "refused_address": FailureKind("The URL leads to an address that the egress guard refuses.", "other link"),
    # The options
    "bad_options": FailureKind("The row's options are invalid.", "other link"),
    "too_many_waiting": FailureKind("Too many downloads of the same owner are waiting (OWNER_WAITING_MAX).", "wait"),
    "unanswered": FailureKind("The question what to download was not answered in time.", "retry"),
    "not_as_wished": FailureKind(
        "An option cannot be met, and `strict` is set; or a clip is not within the film.", "other link"
    ),
    "bad_cookies": FailureKind("The cookies cannot be read or stored.", "log in"),
    # The server
    "not_found": FailureKind("There is nothing at this URL, or no longer.", "other link"),
    "forbidden": FailureKind("The server denies access to this file.", "other link"),
    "refused": FailureKind("The server refuses the request.", "other link"),
    "blocked": FailureKind("The server withholds it for legal reasons.", "nothing"),
    "needs_login": FailureKind("The server or site requires a login.", "log in"),
    "needs_cookies": FailureKind("The site requires the cookies of a signed-in browser.", "log in"),
    "needs_browser": FailureKind("The page requires a person, such as for a captcha.", "other link"),
    "private": FailureKind("The video is private.", "log in"),
    "geo_blocked": FailureKind("The site does not offer this in the country of this machine.", "operator"),
    "drm": FailureKind("The video is protected by DRM and cannot be downloaded.", "nothing"),
    "live": FailureKind("It is a live stream that is still running.", "wait"),
    "not_started": FailureKind("The live stream or premiere has not started.", "wait"),
    "no_peers": FailureKind("No peer shares this torrent at the moment.", "retry"),
    "rate_limited": FailureKind("The server has received too many requests.", "wait", True),
    "server_error": FailureKind("The server reports an error of its own.", "retry", None),
    "unreachable": FailureKind("The server cannot be reached.", "retry", True),
    "connection_lost": FailureKind("The server closed the connection too early.", "retry", True),
    "timeout": FailureKind("The server was too slow, or a time limit was reached.", "retry", None),
    "dns": FailureKind("The host does not exist, or its name cannot be resolved.", "retry", True),
    "tls": FailureKind("No secure connection could be made, or the certificate cannot be trusted.", "retry", None),
    "proxy": FailureKind("A proxy refuses the request or does not answer.", "operator", None),
    "redirect_loop": FailureKind("The server redirects in a loop, or too often.", "other link", None),
    "bad_redirect": FailureKind("The server redirects to something that is not an http or https URL.", "other link"),
    "bad_answer": FailureKind("The answer violates the protocol.", "other link", None),
    # The bytes
    "changed": FailureKind("The file on the server has changed since the download began.", "retry", True),
    "wrong_content": FailureKind("The server sent something else instead of the file.", "other link", None),
    "checksum": FailureKind("The checksum of the downloaded file is wrong.", "retry", True),
    "cannot_resume": FailureKind("The server does not support resuming this partial file.", "retry", True),
    "files_missing": FailureKind("aria2 reports completion, but bytes are missing.", "retry", True),
    "incomplete": FailureKind("The resulting video is incomplete.", "retry", None),
    "bad_part": FailureKind("A part of the video is damaged, or not media.", "retry", None),
    "bad_key": FailureKind("A decryption key of the video is invalid.", "other link", None),
    "join_failed": FailureKind("ffmpeg could not join the parts.", "report"),
    "killed": FailureKind("A program that processed it was killed.", "retry", True),
    # The limits
    "too_large": FailureKind("It is larger than the limit allows.", "operator"),
    "too_many_parts": FailureKind("It has more parts than the limit allows.", "operator"),
    "too_much_memory": FailureKind("The page used more memory than the limit allows.", "other link"),
    "out_of_memory": FailureKind("A program reached its memory limit.", "report"),
    "no_space": FailureKind("There is not enough free disk space.", "operator", None, uses_retry=False),
    # This machine
    "storage": FailureKind("The file cannot be written to its folder.", "operator", None),
    "disk_error": FailureKind("The disk reports an error.", "operator", True),
    "program_missing": FailureKind("A required program or package is not installed.", "operator"),
    "settings": FailureKind("A setting is invalid.", "operator"),
    "constraint": FailureKind("A constraint or trigger of the bot's table rejected the write.", "operator"),
    "crashed": FailureKind("reactor crashed three times while it worked on this download.", "report"),
    "machine_lost": FailureKind("Three machines were lost while they worked on this download.", "report"),
    "internal": FailureKind("A bug in reactor.", "report"),
    "extractor_failed": FailureKind("yt-dlp or another extractor failed on this page.", "report"),
    "ytdlp_broken": FailureKind("yt-dlp cannot be started.", "operator"),
    "browser_broken": FailureKind("The browser cannot be started.", "operator"),
    "browser_crashed": FailureKind("The browser crashed on this page.", "retry", None),
    "worker_died": FailureKind("A worker process died.", "retry", None),
    # aria2
    "aria2": FailureKind("aria2c cannot be used.", "operator", True),
    "aria2_lost": FailureKind("The connection to aria2c broke.", "retry", True),
    "aria2_refused": FailureKind("aria2c refuses the download.", "report"),
    "aria2_timeout": FailureKind("aria2c does not answer.", "retry", True),
    "aria2_unauthorized": FailureKind("aria2c rejects the RPC secret.", "operator"),
    "duplicate": FailureKind("The same file exists already, or is being downloaded.", "wait", None, uses_retry=False),
    "interrupted": FailureKind("aria2c was stopped.", "wait", True, uses_retry=False),
    "removed": FailureKind("Another client removed it from aria2.", "retry"),
    "failed": FailureKind("aria2 failed with an error that has no code of its own.", "report"),
}

_CHECK = "Check the URL."
COOKIES_HELP = (
    "Cookies of a browser that is signed in there would help: `reactor cookies add`, or Queue.set_cookies, and the "
    "option `cookies` of the row."
)
"""The hint where a site requires cookies."""
COOKIES_SENT = (
    "The cookies that were sent did not help: they are out of date, or of an account without access. Set them again, "
    "from a browser in which it plays."
)
"""The hint where cookies were sent."""
_LOGIN = "Put user:password@ before the host in the URL."

HTTP: Mapping[int, HttpFailure] = {
    202: HttpFailure("server_error", "it is still processing the request", True),
    400: HttpFailure("refused", "it does not understand the request"),
    401: HttpFailure("needs_login", "it requires a user name and a password", hint=_LOGIN),
    402: HttpFailure("forbidden", "it requires payment"),
    403: HttpFailure("forbidden", "it denies access", hint="The link may have expired."),
    404: HttpFailure("not_found", "there is nothing at this address", hint=_CHECK),
    407: HttpFailure("proxy", "a proxy requires a login", hint="Check the proxy's settings."),
    408: HttpFailure("timeout", "it did not receive the request in time", True),
    410: HttpFailure("not_found", "the file was removed", hint="Ask for a new link."),
    416: HttpFailure("changed", "its file has changed since the partial file was downloaded", True),
    423: HttpFailure("forbidden", "it is locked"),
    425: HttpFailure("server_error", "it refuses the request as too early", True),
    429: HttpFailure("rate_limited", "it has received too many requests", True),
    451: HttpFailure("blocked", "it withholds this for legal reasons"),
    501: HttpFailure("server_error", "it does not support the request"),
}
"""Statuses with a meaning of their own (RFC 9110, RFC 6585, RFC 7725). Of the others 5xx may pass and 4xx may not."""


def http_failure(status: int) -> HttpFailure:
    """The meaning of a status that is not a success."""
    known = HTTP.get(status)
    if known is not None:
        return known
    if status >= 500:
        return HttpFailure("server_error", "it reports an error of its own", True)
    return HttpFailure("refused", "it refuses the request", hint=_CHECK)


def status_phrase(status: int) -> str:
    """` (Not Found)`, or nothing for a status that has no name."""
    try:
        return f" ({HTTPStatus(status).phrase})"
    except ValueError:
        return ""
