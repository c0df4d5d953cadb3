"""aria2's error numbers and messages, mapped to the codes of `reactor.failures`.

The numbers are those of aria2c(1), EXIT STATUS; their meaning in practice was measured on 1.36 and 1.37. The number
decides first, the HTTP status in the message second: the message differs between versions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from reactor.core.events import TransferStatus
from reactor.core.retry import UNTOLD
from reactor.egress.relay import IMPLAUSIBLE_STATUS
from reactor.errors import Failure
from reactor.failures import http_failure, status_phrase
from reactor.patterns import pattern

_CHECK_URL = "Check the link."
_FREE_SPACE = "Free some space; the download goes on by itself."

ARIA2: Mapping[int, Failure] = {
    1: Failure("unreachable", "The server could not be reached or broke the connection.", None, True),
    2: Failure("timeout", "The server stopped answering.", None, True),
    3: Failure("not_found", "The server does not have this file.", _CHECK_URL),
    4: Failure("not_found", "The server does not have this file.", _CHECK_URL),
    5: Failure("timeout", "The download was slower than the lowest speed allowed.", None, True),
    6: Failure("unreachable", "The network failed.", None, True),
    7: Failure("interrupted", "aria2c was stopped before the download was done.", None, True),
    8: Failure("cannot_resume", "The server cannot continue a partial download.", None, True),
    9: Failure("no_space", "There is not enough room on the disk.", _FREE_SPACE, True),
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
    22: UNTOLD,
    23: Failure("redirect_loop", "The server redirects in a loop.", _CHECK_URL),
    24: Failure("needs_login", "The server asks for a login.", "Put user:password@ before the host in the URL."),
    25: Failure("bad_torrent", "The torrent file is broken.", _CHECK_URL),
    26: Failure("bad_torrent", "The torrent file is broken.", _CHECK_URL),
    27: Failure("bad_magnet", "The magnet link cannot be read.", _CHECK_URL),
    29: Failure("server_error", "The server is overloaded or being serviced.", None, True),
    31: Failure("removed", "Somebody removed it from aria2.", "Ask for it again if it is still wanted."),
    32: Failure("checksum", "The file's checksum is wrong.", None, True),
}
"""aria2's error number → the failure. A number not listed is permanent.

A transfer that an operator removed (31) from their own aria2 is not added again. Its row becomes `failed`, not
`cancelled`: the person who asked for it did not cancel it, and is told why it does not arrive.

A retryable failure is retried as often as the settings allow. A lower limit would not help
- where the server is unreachable (1) or refuses by FTP (21): a server restart takes minutes, and all retries together
  take a quarter of an hour with the defaults;
- where the disk fails (17): a disk that is away for a minute would end the whole queue;
- where a transfer cannot be resumed (8) after bytes had arrived: this is an ordinary broken connection.
The attempt is final when a restart from zero fails the same way before a byte arrives (8, 10), or when the checksum is
wrong twice in a row (32)."""


_HTTP_STATUS = pattern(r"status=?\s?(\d{3})|HTTP (\d{3})")
_DISK_FULL = pattern(r"no space left|not enough space|ENOSPC|disk full", re.IGNORECASE)
_HANDSHAKE = "SSL/TLS handshake failure"
_CERTIFICATE = pattern(
    r"certificate|issuer|known authorities|host ?name (does not match|mismatch)|`(expired|not activated yet)"
    r"|insecure algorithm|revoked|\bCA\b|too weak",
    re.IGNORECASE,
)
"""How GnuTLS (1.36) and OpenSSL (1.37) word an untrusted certificate. Any other handshake error is a broken
connection."""
_NO_FIT = "Download aborted."
"""aria2's whole message, with number 1, for a control file that does not match the length of the file on the server, or
is damaged."""
ENDLESS = Failure("too_large", "The server announces more than 16 TiB, which no file has.")


def transfer_failure(status: TransferStatus, number: int | None, text: str) -> Failure | None:
    """What ended a transfer with this status, error number and message; None when it has not failed."""
    if status is TransferStatus.ERROR:
        return classify(number, text)
    return ARIA2[31] if status is TransferStatus.REMOVED else None


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
    if status == IMPLAUSIBLE_STATUS:
        return ENDLESS
    found = http_failure(status)
    sentence = f"The server answered {status}{status_phrase(status)}: {found.meaning}."
    return Failure(found.code, sentence, found.hint, found.retryable)
