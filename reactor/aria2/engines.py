"""Which engines are known to keep what reactor promises, by what they say of themselves.

Another one that speaks the same RPC need not: aria2-next, for one, leaves no control file beside what is not whole
(so that zeros are published after a restart), and asks trackers past the guard.
"""

from __future__ import annotations

from reactor.aria2.messages import Version
from reactor.errors import Aria2Error
from reactor.patterns import pattern

KNOWN = pattern(r"1\.3[67]\.\d+")
"""aria2 1.36 and 1.37: the suites ran on them."""
FEATURES = frozenset(
    {
        *("Async DNS", "BitTorrent", "Firefox3 Cookie", "GZip", "HTTPS", "Message Digest", "Metalink", "XML-RPC"),
        "SFTP",
    }
)
"""What those may be built with. Whatever names another one is something else under their number."""


def is_known(version: Version) -> bool:
    """True for an engine that keeps the promises."""
    return bool(KNOWN.fullmatch(version.version)) and FEATURES.issuperset(version.features)


def not_known(version: Version, where: str) -> Aria2Error:
    """The error for another one."""
    more = sorted(set(version.features) - FEATURES)
    what = f"{version.version[:40]}{f' with {more[0][:40]}' if more else ''}"
    return Aria2Error(
        f"The engine at {where} ({what}) is not known to keep what reactor promises: files that are whole, and nothing"
        " fetched past the guard.",
        hint="Use aria2 1.36 or 1.37, or set ARIA2C_UNKNOWN=true to take the risk.",
        code="aria2_unknown",
        retryable=False,
    )
