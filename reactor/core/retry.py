"""The retry policy, as data: what each error means, whether it may pass, and how long to wait.

aria2's numbers are those of aria2c(1), EXIT STATUS; what they turn out to mean was measured on 1.36 and
1.37. The number counts first, the HTTP status in the text second: the text differs between versions.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from reactor.core.job import Attempt
from reactor.errors import Failure
from reactor.failures import FAILURES, http_failure, status_phrase

_CHECK_URL = "Check the link."
LATER, ELSEWHERE = "Try it again later.", "Look for it elsewhere."
_NO_ROOM = "Free some space; the download goes on by itself."

ARIA2: Mapping[int, Failure] = {
    1: Failure("unreachable", "The server could not be reached or broke the connection.", None, True),
    2: Failure("timeout", "The server stopped answering.", None, True),
    3: Failure("not_found", "The server does not have this file.", _CHECK_URL),
    4: Failure("not_found", "The server does not have this file.", _CHECK_URL),
    5: Failure("timeout", "The download was slower than the lowest speed allowed.", None, True),
    6: Failure("unreachable", "The network failed.", None, True),
    7: Failure("interrupted", "aria2c was stopped before the download was done.", None, True),
    8: Failure("cannot_resume", "The server cannot continue a partial download.", None, True),
    9: Failure("no_space", "There is not enough room on the disk.", _NO_ROOM, True),
    10: Failure("changed", "The partial file does not fit to the file on the server.", None, True),
    11: Failure("duplicate", "The same file is being downloaded already.", None, True),
    12: Failure("duplicate", "The same torrent is being downloaded already.", None, True),
    13: Failure("changed", "A file of this name was in the way.", None, True),
    14: Failure("storage", "The file could not be renamed.", "Check the download folder."),
    15: Failure("storage", "The partial file could not be opened.", "Check the download folder."),
    16: Failure("storage", "The file could not be created.", "Check the download folder and its permissions."),
    17: Failure("storage", "Writing to the disk failed.", "Check the disk.", True),
    18: Failure("storage", "The folder could not be made.", "Check the download folder and its permissions."),
    19: Failure("dns", "The server's name could not be resolved.", _CHECK_URL, True),
    21: Failure("unreachable", "The FTP server refused.", None, True),
    22: Failure("server_error", "The server answered with an error.", None, True),
    23: Failure("redirect_loop", "The server sends in circles.", _CHECK_URL),
    24: Failure("needs_login", "The server asks for a login.", "Put user:password@ before the host in the URL."),
    25: Failure("bad_torrent", "The torrent file is broken.", _CHECK_URL),
    26: Failure("bad_torrent", "The torrent file is broken.", _CHECK_URL),
    27: Failure("bad_magnet", "The magnet link cannot be read.", _CHECK_URL),
    29: Failure("server_error", "The server is overloaded or being serviced.", None, True),
    31: Failure("removed", "It was removed from aria2 by somebody else.", "Ask for it again if it is still wanted."),
    32: Failure("checksum", "The file's checksum is wrong.", None, True),
}
"""aria2 error number → what it means. A number not listed is permanent.

Whoever removes a transfer (31) from an aria2 of their own wants it gone, so it is not added again. Its row says
`failed`, not `cancelled`: whoever asked for it in a chat did not cancel it, and is told why it does not come.

What may pass is tried as often as the settings allow. Fewer tries would serve nobody
- where the server cannot be reached (1) or refuses by FTP (21): one that is started anew takes minutes, and with the
  defaults all retries together are a quarter of an hour;
- where the disk fails (17): one that is away for a minute would end the whole queue;
- where nothing can be continued (8) and bytes had come: it is then just a connection that broke.
What begins from zero and ends in the same way again before a byte has come (8, 10), or with a wrong checksum twice in a
row (32), is over."""

CHANGED = Failure("changed", "The file on the server was changed while it was downloaded.", None, True)
"""Seen by us: bytes of two versions would have been put together."""

FROM_ZERO = frozenset({"cannot_resume", "changed", "checksum"})
"""After these the partial file is of no use."""

_HTTP_STATUS = re.compile(r"status=?\s?(\d{3})|HTTP (\d{3})")
_DISK_FULL = re.compile(r"no space left|not enough space|ENOSPC|disk full", re.IGNORECASE)
_HANDSHAKE = "SSL/TLS handshake failure"
_CERTIFICATE = re.compile(
    r"certificate|issuer|known authorities|host ?name (does not match|mismatch)|`(expired|not activated yet)"
    r"|insecure algorithm|revoked|\bCA\b|too weak",
    re.IGNORECASE,
)
"""What GnuTLS (1.36) and OpenSSL (1.37) say of one that is not to be trusted. All else that can go wrong in a handshake
is a connection that broke."""
_NO_FIT = "Download aborted."
"""All that aria2 says, with number 1, of a control file that does not fit: to the length of the file that is on the
server now, or to anything."""
ENDLESS = Failure("too_large", "It is said to have more than 16 TiB, which no file has.")
UNTOLD = ARIA2[22]
"""A status that aria2 does not tell: so it is when a connection had broken off before."""


def classify(number: int | None, text: str) -> Failure:
    """What aria2's error number and message mean."""
    status = _HTTP_STATUS.search(text)
    if number in (1, 22, 29, None) and status is not None:
        return classify_status(int(status[1] or status[2]))
    if number in (1, 16, 17) and _DISK_FULL.search(text):  # falloc says 1 where write(2) would have said 9
        return ARIA2[9]
    if number == 1 and text == _NO_FIT:
        return ARIA2[10]
    if number == 1 and _HANDSHAKE in text and _CERTIFICATE.search(text):
        return Failure("tls", "The server's certificate cannot be trusted.", "The site has to renew it.")
    known = ARIA2.get(number if number is not None else -1)
    return known or Failure("failed", f"aria2 gave up with error {number}: {text[:200]}.", None)


def classify_status(status: int) -> Failure:
    """What an HTTP status means."""
    if status == 413:  # so says our own guard; no server says it of a GET
        return ENDLESS
    found = http_failure(status)
    sentence = f"The server answered {status}{status_phrase(status)}: {found.meaning}."
    return Failure(found.code, sentence, found.hint, found.retryable)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long."""

    retries_max: int
    delay_base_s: float
    delay_max_s: float

    def next_delay_s(self, failure: Failure, attempt: Attempt, retry_count: int, *, costs: bool = True) -> float | None:
        """Seconds until the next attempt after `retry_count` retries, or None when there is none. Those that cost
        nothing have no limit, and are waited for longer each time all the same.

        Backoff doubles, with full jitter: anything between nothing and all of it. What is drawn derives from the
        attempt, so that it is the same in a replay. A server's Retry-After is not undercut, up to `delay_max_s`."""
        if not failure.retryable or (costs and retry_count >= self.retries_max):
            return None
        doublings = retry_count if costs else attempt.number - 1
        cap = min(self.delay_max_s, self.delay_base_s * float(1 << min(doublings, 32)))
        delay = cap * chance("jitter", attempt.download_id, attempt.number)
        return max(delay, min(failure.retry_after_s or 0.0, self.delay_max_s))

    def final(self, failure: Failure, retry_count: int) -> Failure:
        """The failure as the row that gives up shows it: with the number of tries, where there were several, and
        what the person can do."""
        tried = [f"It was tried {retry_count + 1} times."] if failure.retryable and retry_count else []
        hint = failure.hint or (LATER if failure.retryable else ELSEWHERE)
        return replace(failure, hint=" ".join([*tried, hint]))

    def costs(self, failure: Failure) -> bool:
        """True when this failure uses up one of the retries."""
        return FAILURES[failure.code].uses_retry if failure.code in FAILURES else True


def chance(*identity: object) -> float:
    """A number in [0, 1) that belongs to `identity`: no dice, so that it is the same in a replay."""
    digest = hashlib.sha256("/".join(map(str, identity)).encode()).digest()
    return int.from_bytes(digest[:7]) / (1 << 56)
