"""From a `plan.Fetch` to aria2's options for it. Pure.

Every value is a string (aria2 silently ignores anything else). Every option that decides whether the bytes are right
is set here and not left to a configuration file: a remote aria2c has one of its own.

How a partial file goes on was measured with 1.36 and 1.37:

- aria2 writes its control file (`NAME.aria2`) before the first byte and deletes it after the last, so a
  file that has one is continued from it, with `continue` or without.
- A file without one is fetched anew (`allow-overwrite`). With `continue=true` it would be taken for a
  correct beginning, and a file with wrong bytes would be complete.
- To go on it first asks for the whole, to learn the size, and hangs up: what the server has pushed by then is
  sent for nothing. With `use-head` it asks by HEAD, and fails where HEAD is not answered well.
- `always-resume=false` makes 1.36 abort, with everything else that is under way in it, when a server that
  used to take ranges takes none. With `true` that transfer alone ends with error 8.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import Any
from urllib.parse import SplitResult, urlsplit

from reactor.aria2.methods import Method, add_torrent, add_uri
from reactor.errors import DownloadError
from reactor.net.client import LANGUAGES
from reactor.net.credentials import HARMLESS
from reactor.net.jar import Jar
from reactor.net.urls import is_ftp
from reactor.patterns import pattern
from reactor.plan import Fetch, Header
from reactor.records import dataclass

SCHEMES = frozenset({"http", "https", "ftp", "sftp"})
"""What aria2 is asked to fetch, beside magnet links and torrents."""

KEPT_FROM_SERVERS = frozenset({
    "accept-encoding", "connection", "content-length", "host", "if-range", "keep-alive", "range", "te", "trailer",
    "transfer-encoding", "upgrade",
})  # fmt: skip
"""Headers that are aria2's own business: a Range or an Accept-Encoding of ours would lead to wrong bytes."""

MIN_SPLIT_SIZE = "4M"
"""No file is split into pieces smaller than this: below it a second connection costs more than it brings."""
SPLIT_BYTES = 2 * 4 * 1024 * 1024
"""A file of that size and more is split."""
SENT_KEPT = 4
"""Sets of headers of which it is kept what is sent: the parts of a film have one or two."""

_ASKED = (("Accept", "*/*"), ("Accept-Language", LANGUAGES))
_GID, NO_GID = pattern("[0-9a-f]{16}"), "0" * 16
_UNCLEAN = pattern(r"[\x00-\x1f/\\]")
_UNSENDABLE = pattern("[\r\n\0\ud800-\udfff]")

_ALWAYS: dict[str, str | list[str]] = {
    # right bytes
    "allow-overwrite": "true",
    "allow-piece-length-change": "true",
    "always-resume": "true",
    "auto-file-renaming": "false",
    "conditional-get": "false",
    "continue": "false",
    "dry-run": "false",
    "http-accept-gzip": "false",
    "parameterized-uri": "false",
    "remove-control-file": "false",
    # nothing that a stranger's server names is fetched by itself
    "follow-metalink": "false",
    "follow-torrent": "false",
    "no-netrc": "true",
    # of no use to us, and unlike any browser (from 1.37 on; an elder one passes over what it does not know)
    "no-want-digest-header": "true",
    # a cookie goes where we say: aria2 has one jar for everybody, and does not look into it when it is told a cookie,
    # also an empty one
    "header": ["Cookie:"],
    # begin at once; the file is as old as the download, for those who clean up by age
    "pause": "false",
    "remote-time": "false",
}


@dataclass(frozen=True, slots=True)
class TransferPolicy:
    """What holds for every transfer of this reactor. Times in seconds, made whole for aria2."""

    connections_per_server: int = 4
    user_agent: str = ""
    """Empty: aria2's own."""
    seed_ratio: float = 0.0
    """0: not at all."""
    timeout_s: float = 30.0
    connect_timeout_s: float = 15.0
    tries: int = 3
    """aria2's own, in quick succession. The core owns the retries that a person hears of."""
    retry_wait_s: float = 1.0
    """At least 1: with 0 aria2 does not try again after a 503."""


def addition(
    fetch: Fetch,
    *,
    gid: str,
    directory: str | None,
    policy: TransferPolicy,
    resuming: bool = False,
    from_zero: bool = False,
    single: bool = False,
    speed: int = 0,
    extra: dict[str, str] | None = None,
    first: bool = False,
    headers: Collection[Header] = (),
    jar: Jar | None = None,
) -> Method[str]:
    """The call that adds this fetch to aria2 under our gid, into `directory` as aria2 sees it (None: its own), with
    these headers, and the cookies of the jar that go to its first URL.

    `resuming`: some of it may be there. `from_zero`: nothing of what is there is used. `single`: by one connection;
    `speed`: bytes/s at most, 0: as its configuration has it.
    `extra` options win over ours. `first`: before all that wait. Raises DownloadError when it cannot be fetched as it
    is described, or holds what would break out of an option or a header line."""
    options: dict[str, str | list[str]] = {**_of_policy(policy), "gid": _checked_gid(gid)}
    if directory is not None:
        options["dir"] = _line(directory, "the folder")
    options["use-head"] = "true" if resuming and fetch.by_head else "false"
    if from_zero:
        options["remove-control-file"] = "true"  # also where we cannot delete it: elsewhere
    if speed:
        options["max-download-limit"] = str(speed)
    sent = _sent(tuple(headers))
    if single or sent.once or any(map(is_ftp, fetch.urls)):
        options |= {"max-connection-per-server": "1", "split": "1"}
    if fetch.byte_range is not None:
        raise DownloadError("A part of a file cannot be fetched by itself.", code="unsupported")
    if fetch.torrent is not None:
        return _torrent(fetch, {**options, **_torrent_options(policy)}, extra or {}, first)
    return _files(fetch, options, extra or {}, first, sent, jar)


def _is_digest(header: Header) -> bool:
    """True for HTTP Digest credentials, which are valid for one request: aria2 cannot create them."""
    return header.name.lower() == "authorization" and header.value.lower().startswith("digest ")


def _torrent(fetch: Fetch, options: dict[str, str | list[str]], extra: dict[str, str], first: bool) -> Method[str]:
    """Headers and cookies stay out: they were for the server of the `.torrent`, not for trackers and peers."""
    assert fetch.torrent is not None
    if fetch.torrent.select:
        options["select-file"] = fetch.torrent.select
    if fetch.torrent.metainfo is not None:
        if fetch.torrent.paths:
            options["index-out"] = [f"{number}={_inner_path(path)}" for number, path in fetch.torrent.paths]
        web_seeds = [_checked_url(url).geturl() for url in fetch.urls]
        return add_torrent(fetch.torrent.metainfo, web_seeds, {**options, **extra}, first=first)
    if fetch.torrent.metadata_only:
        options |= {"bt-metadata-only": "true", "bt-load-saved-metadata": "false"}
    magnets = [_line(url, "the magnet link") for url in fetch.urls if urlsplit(url).scheme.lower() == "magnet"]
    if len(magnets) != 1:
        raise DownloadError("This is no magnet link.", code="unsupported")
    return add_uri(magnets, {**options, **extra}, first=first)


def _files(
    fetch: Fetch,
    options: dict[str, str | list[str]],
    extra: dict[str, str],
    first: bool,
    sent: _Sent,
    jar: Jar | None,
) -> Method[str]:
    urls = [_checked_url(url) for url in fetch.urls]
    if not urls:
        raise DownloadError("There is no URL to fetch.", code="unsupported")
    cookies = jar.line(urls[0].geturl()) if jar else ""
    if len(urls) > 1 and (cookies or sent.secret):
        # aria2 sends its headers to every mirror: those of other servers are given up.
        urls = [url for url in urls if _origin(url) == _origin(urls[0])]
    pairs = "; ".join([*sent.cookies, cookies] if cookies else sent.cookies)
    options["header"] = [*sent.lines, _line(f"Cookie: {pairs}".rstrip(), "a header"), *_same_bytes(fetch)]
    options["out"] = _base_name(fetch.name)
    options["uri-selector"] = "inorder"  # mirrors come best first
    if fetch.checksum is not None:
        options["checksum"] = _line(fetch.checksum, "the checksum")
    return add_uri([url.geturl() for url in urls], {**options, **extra}, first=first)


@lru_cache(1)
def _of_policy(policy: TransferPolicy) -> dict[str, str | list[str]]:
    connections = str(policy.connections_per_server)
    options = {
        "connect-timeout": _whole(policy.connect_timeout_s),
        "max-connection-per-server": connections,
        "max-tries": str(policy.tries),
        "min-split-size": MIN_SPLIT_SIZE,
        "retry-wait": _whole(policy.retry_wait_s),
        "split": connections,
        "timeout": _whole(policy.timeout_s),
    }
    options |= {"user-agent": _line(policy.user_agent, "the User-Agent")} if policy.user_agent else {}
    return _ALWAYS | options


def _torrent_options(policy: TransferPolicy) -> dict[str, str]:
    # Hashes tell what a file without its control file is worth, so nothing of it is fetched twice.
    options = {"check-integrity": "true", "bt-save-metadata": "true", "bt-load-saved-metadata": "true"}
    if policy.seed_ratio > 0:
        # Whichever comes first ends the seeding, and a configuration may have a seed-time: ours is one year.
        return options | {"seed-ratio": f"{policy.seed_ratio:.3f}", "seed-time": "525600"}
    return options | {"seed-time": "0"}


@dataclass(frozen=True, slots=True)
class _Sent:
    """What is sent along with a request, as far as it does not depend on its URL."""

    lines: tuple[str, ...]
    """One for each header but the cookies."""
    cookies: tuple[str, ...]
    """Those that headers have."""
    secret: bool
    """True when any of it may be a credential."""
    once: bool
    """True when it is valid for one request."""


@lru_cache(SENT_KEPT)
def _sent(given: tuple[Header, ...]) -> _Sent:
    """All cookies in one line, as RFC 6265, section 5.4, asks for. Raises DownloadError."""
    named = [(header.name.lower(), header) for header in given if _line(f"{header.name}: {header.value}", "a header")]
    named = [(name, header) for name, header in named if name not in KEPT_FROM_SERVERS]
    lines = [f"{header.name}: {header.value}" for name, header in named if name != "cookie"]
    names = {name for name, _ in named}
    # aria2's own asks for metalinks, also with follow-metalink=false: some servers would send one as the file.
    lines += [f"{name}: {value}" for name, value in _ASKED if name.lower() not in names]
    cookies = tuple(header.value for name, header in named if name == "cookie")
    return _Sent(tuple(lines), cookies, not names <= HARMLESS, any(map(_is_digest, given)))


def _same_bytes(fetch: Fetch) -> list[str]:
    """The header by which a server sends a part of the very bytes that are known, else the whole. aria2 takes no whole
    in place of a part: a connection that gets one is given up, and the transfer when it has no other (errors 8 and 1).
    Without a Range it says nothing (RFC 9110, 13.1.5). Mirrors have validators of their own."""
    if not fetch.strong or fetch.validator is None or len(fetch.urls) > 1:
        return []
    return [_line(f"If-Range: {fetch.validator}", "the validator")]


def through(proxy: str, by_ftp: str) -> dict[str, str]:
    """The options that have every connection of a transfer but those to peers made by `proxy`, a URL, whatever a
    configuration says; what is asked by FTP or SFTP by `by_ftp`."""
    ways = {"http-proxy": proxy, "https-proxy": proxy, "ftp-proxy": by_ftp}
    return ways | {"no-proxy": "", "proxy-method": "tunnel"}


def _origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    return url.scheme, url.hostname, url.port


def _checked_url(url: str) -> SplitResult:
    try:
        parts = urlsplit(_line(url, "the URL"))
        parts.port  # noqa: B018 - raises when it is no number
    except ValueError:
        raise DownloadError("The URL cannot be read.", code="unsupported") from None
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise DownloadError("aria2 fetches http, https, ftp and sftp only.", code="unsupported")
    return parts


def _checked_gid(gid: str) -> str:
    if not _GID.fullmatch(gid) or gid == NO_GID:
        raise ValueError("a gid is 16 hex digits, not all of them zero")
    return gid


def _base_name(name: str) -> str:
    """aria2 does not check `out`: `../x` leaves the folder, and `.` becomes another name."""
    _line(name, "the name")
    if name in ("", ".", "..") or _UNCLEAN.search(name) or len(name.encode()) > 255:
        raise DownloadError("The file's name is not a clean one.")
    return name


def _inner_path(path: str) -> str:
    """aria2 does not check `index-out` either."""
    return "/".join(map(_base_name, path.split("/")))


def _line(value: Any, what: str) -> str:
    """Text without line breaks, and encodable as UTF-8."""
    text = str(value)
    if _UNSENDABLE.search(text):
        raise DownloadError(f"There is a character in {what} that cannot be sent.", code="unsupported")
    return text


def _whole(seconds: float) -> str:
    return str(max(1, round(seconds)))
