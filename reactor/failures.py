"""Every `error_code` that a row may end with: what it means, whether it passes, and what a bot can offer.

The sentence in `error` says more of the one case; the code is what a bot makes a button of. A code that is not in this
table does not leave the project's tests. `reactor errors` prints it, and contrib/docs/error-codes.md is made of it.

HTTP's statuses stand here too, once: what a server answered to our own request and what it answered to aria2's means
the same.
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
"""What a bot can offer whoever asked; OFFERS has the meanings."""
OFFERS: Mapping[Offer, str] = {
    "retry": "Show a button that asks for it again: it may work later.",
    "wait": "Say that it has to wait; ask for it again later.",
    "other link": "Ask for another link: this one will not do.",
    "log in": "Ask for a link with user:password@ in it, or for cookies.",
    "operator": "Tell whoever runs the bot: a setting, a program or the machine has to be changed.",
    "report": "Nothing the person can do: it is a mistake, or an old version, of reactor or of a program it uses.",
    "nothing": "Nothing: it cannot be had.",
}


@dataclass(frozen=True, slots=True)
class FailureKind:
    """What a code stands for."""

    meaning: str
    """One sentence."""
    offer: Offer
    retryable: bool | None = False
    """Whether it is tried again by itself; None: as the case deserves."""
    uses_retry: bool = True
    """False for what is nobody's fault: it is tried again however often it happens."""

    @property
    def retried(self) -> str:
        """Whether it is tried again, in words."""
        if self.retryable is None:
            return "as the case deserves" if self.uses_retry else "as the case deserves, without a limit"
        if not self.retryable:
            return "no"
        return "yes" if self.uses_retry else "yes, without a limit"


@dataclass(frozen=True, slots=True)
class HttpFailure:
    """What a status says."""

    code: str
    meaning: str
    """What follows "The server answered 404 (Not Found): "."""
    retryable: bool = False
    hint: str | None = None


FAILURES: Mapping[str, FailureKind] = {
    # The link
    "bad_url": FailureKind("This is no URL that can be fetched.", "other link"),
    "bad_magnet": FailureKind("The magnet link names no torrent that aria2 takes.", "other link"),
    "bad_torrent": FailureKind("The torrent file is damaged, or of a kind that aria2 does not take.", "other link"),
    "bad_metalink": FailureKind("The metalink cannot be read, or names nothing that can be fetched.", "other link"),
    "bad_manifest": FailureKind("The HLS or DASH manifest cannot be read.", "other link"),
    "bad_feed": FailureKind("The RSS or Atom feed cannot be read.", "other link"),
    "unsupported": FailureKind("Nothing that can be downloaded was found at this URL.", "other link"),
    "playlist": FailureKind("The URL stands for a list, and nothing of it can be taken.", "other link"),
    "partial": FailureKind("The row is `downloaded`: some entries of its list came, and others did not.", "retry"),
    "unsafe_name": FailureKind("A name in the torrent would lead out of its folder.", "other link"),
    "unsafe_file": FailureKind("What was downloaded is no regular file or folder.", "other link"),
    "refused_address": FailureKind("The URL leads to an address that downloads may not reach.", "other link"),
    # The options
    "bad_options": FailureKind("The row's options cannot be understood.", "other link"),
    "too_many_waiting": FailureKind("As many downloads of the same owner wait as may (OWNER_WAITING_MAX).", "wait"),
    "unanswered": FailureKind("Nobody said in time what is to be fetched.", "retry"),
    "not_as_wished": FailureKind("It cannot be had as its options ask for it, and they are strict.", "other link"),
    "bad_cookies": FailureKind("The cookies to be sent along cannot be read, or kept.", "log in"),
    # The server
    "not_found": FailureKind("There is nothing at this URL any more.", "other link"),
    "forbidden": FailureKind("The server does not give this file to us.", "other link"),
    "refused": FailureKind("The server refuses the request.", "other link"),
    "blocked": FailureKind("The server may not give this out, for legal reasons.", "nothing"),
    "needs_login": FailureKind("The server or site wants a login.", "log in"),
    "needs_cookies": FailureKind("The site requires the cookies of a signed-in browser.", "log in"),
    "needs_browser": FailureKind("The page wants a person: a captcha, or another proof.", "other link"),
    "private": FailureKind("The video is private.", "log in"),
    "geo_blocked": FailureKind("The site does not show this in the country of this machine.", "operator"),
    "drm": FailureKind("The video is protected by DRM, and cannot be downloaded.", "nothing"),
    "live": FailureKind("It is a broadcast that is still running.", "wait"),
    "not_started": FailureKind("The broadcast or premiere has not begun.", "wait"),
    "no_peers": FailureKind("Nobody shares this torrent at the moment.", "retry"),
    "rate_limited": FailureKind("The server has had too many requests.", "wait", True),
    "server_error": FailureKind("The server is in trouble.", "retry", None),
    "unreachable": FailureKind("The server cannot be reached.", "retry", True),
    "connection_lost": FailureKind("The server closed the connection too early.", "retry", True),
    "timeout": FailureKind("The server was too slow, or a limit of time was reached.", "retry", None),
    "dns": FailureKind("The host does not exist, or its name cannot be resolved.", "retry", True),
    "tls": FailureKind("No secure connection could be made, or the certificate cannot be trusted.", "retry", None),
    "proxy": FailureKind("A proxy on the way refuses, or does not answer.", "operator", None),
    "redirect_loop": FailureKind("The server redirects in a loop, or too often.", "other link", None),
    "bad_redirect": FailureKind("The server redirects to what is no web address.", "other link"),
    "bad_answer": FailureKind("What answers does not speak as it should.", "other link", None),
    # The bytes
    "changed": FailureKind("The file on the server is another one than the one begun with.", "retry", True),
    "wrong_content": FailureKind("The server sent something else in place of the file.", "other link", None),
    "checksum": FailureKind("The checksum of what arrived is wrong.", "retry", True),
    "cannot_resume": FailureKind("The server does not continue a partial file.", "retry", True),
    "files_missing": FailureKind("aria2 says it is done, but bytes are missing.", "retry", True),
    "incomplete": FailureKind("The video that came of it is not whole.", "retry", None),
    "bad_part": FailureKind("A part of the video is not what it should be.", "retry", None),
    "bad_key": FailureKind("A key of the video is not one.", "other link", None),
    "join_failed": FailureKind("ffmpeg could not join the parts.", "report"),
    "killed": FailureKind("A program that worked on it was killed.", "retry", True),
    # The limits
    "too_large": FailureKind("It is larger than allowed, or than anything can be.", "operator"),
    "too_many_parts": FailureKind("It has more parts than a download may have.", "operator"),
    "too_much_memory": FailureKind("The page took more memory than allowed.", "other link"),
    "out_of_memory": FailureKind("A program used up the memory it may have.", "report"),
    "no_space": FailureKind("There is not enough room on the disk.", "operator", None, uses_retry=False),
    # This machine
    "storage": FailureKind("The file cannot be written where it is to go.", "operator", None),
    "disk_error": FailureKind("The disk fails.", "operator", True),
    "program_missing": FailureKind("A program or package that this needs is not installed.", "operator"),
    "settings": FailureKind("A setting cannot be used.", "operator"),
    "constraint": FailureKind("The bot's own table refuses the row.", "operator"),
    "crashed": FailureKind("The process died with this download three times.", "report"),
    "machine_lost": FailureKind("Three machines were lost while they worked on this download.", "report"),
    "internal": FailureKind("reactor made a mistake.", "report"),
    "extractor_failed": FailureKind("yt-dlp, or another extractor, failed over this page.", "report"),
    "ytdlp_broken": FailureKind("yt-dlp does not run.", "operator"),
    "browser_broken": FailureKind("The browser does not run.", "operator"),
    "browser_crashed": FailureKind("The browser crashed over this page.", "retry", None),
    "worker_died": FailureKind("A process that worked on it died.", "retry", None),
    # aria2
    "aria2": FailureKind("aria2c cannot be used.", "operator", True),
    "aria2_lost": FailureKind("The connection to aria2c broke.", "retry", True),
    "aria2_refused": FailureKind("aria2c refuses the download.", "report"),
    "aria2_timeout": FailureKind("aria2c does not answer.", "retry", True),
    "aria2_unauthorized": FailureKind("aria2c does not take the secret.", "operator"),
    "duplicate": FailureKind("The same is there already, or is being downloaded.", "wait", None, uses_retry=False),
    "interrupted": FailureKind("aria2c was stopped.", "wait", True, uses_retry=False),
    "removed": FailureKind("Somebody else removed it from aria2.", "retry"),
    "failed": FailureKind("aria2 gave up, with an error of its own.", "report"),
}

_CHECK = "Check the URL."
COOKIES_HELP = (
    "Cookies of a browser that is signed in there would help: `reactor cookies add`, or Queue.set_cookies, and the "
    "option `cookies` of the row."
)
"""What to do where a site wants to know who asks."""
COOKIES_SENT = (
    "The cookies that went along did not help: they are out of date, or of an account that may not see this. Set them "
    "again, from a browser in which it plays."
)
"""The same where there were some."""
_LOGIN = "Put user:password@ before the host in the URL."

HTTP: Mapping[int, HttpFailure] = {
    202: HttpFailure("server_error", "it is still at work on this", True),
    400: HttpFailure("refused", "it does not understand the request"),
    401: HttpFailure("needs_login", "it wants a user name and a password", hint=_LOGIN),
    402: HttpFailure("forbidden", "it wants to be paid"),
    403: HttpFailure("forbidden", "it does not give this to us", hint="The link may have expired."),
    404: HttpFailure("not_found", "there is nothing at this address", hint=_CHECK),
    407: HttpFailure("proxy", "a proxy on the way wants a login", hint="Check the proxy's settings."),
    408: HttpFailure("timeout", "it waited too long for us", True),
    410: HttpFailure("not_found", "what was at this address is gone", hint="Ask for a new link."),
    416: HttpFailure("changed", "the file there is another one than the partial file here", True),
    423: HttpFailure("forbidden", "it is locked"),
    425: HttpFailure("server_error", "it is too early", True),
    429: HttpFailure("rate_limited", "it was asked too often", True),
    451: HttpFailure("blocked", "it may not give this out, for legal reasons"),
    501: HttpFailure("server_error", "it cannot do this"),
}
"""Statuses with a meaning of their own (RFC 9110, RFC 6585, RFC 7725). Of the others 5xx may pass and 4xx may not."""


def http_failure(status: int) -> HttpFailure:
    """What a status means that is not the answer asked for."""
    known = HTTP.get(status)
    if known is not None:
        return known
    if status >= 500:
        return HttpFailure("server_error", "it is in trouble", True)
    return HttpFailure("refused", "it refuses the request", hint=_CHECK)


def status_phrase(status: int) -> str:
    """` (Not Found)`, or nothing for a status that has no name."""
    try:
        return f" ({HTTPStatus(status).phrase})"
    except ValueError:
        return ""
