"""Which cookies go with the requests of a row: those of a jar that it names, or that fits; else the operator's, where
they are for it. Never two of them: a site would take them for one person's.

They are read for each piece of work that needs them, and kept nowhere: not in the row, the plan, the journal. A jar
that is taken away stops being sent with the next request, and a new one goes along after a restart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from anyio import to_thread

from reactor.choices import Choices, with_cookies
from reactor.core.job import CookieSource
from reactor.daemon import clock
from reactor.database.jars import HINT, Jars
from reactor.errors import CookiesError, DownloadError, Failure, SettingsError
from reactor.extractors.base import Context
from reactor.failures import COOKIES_HELP, COOKIES_SENT
from reactor.net.cookie_files import TEXT_BYTES_MAX, JarCookie, read_cookies
from reactor.net.jar import cookie_goes_to
from reactor.net.urls import normalise
from reactor.options import NO_OPTIONS, Options
from reactor.patterns import pattern
from reactor.plan import Cookie
from reactor.records import dataclass
from reactor.settings import Settings

EVERYBODY = "*"
OWNER = "owner:"
MENDABLE = frozenset({"needs_cookies", "needs_login"})
HINTS = frozenset({COOKIES_HELP, COOKIES_SENT, HINT})
"""Of failures that cookies mend: a login by name and password is asked for with another one."""
_HOST = pattern(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[?[0-9a-f:.]+\]?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class OperatorRule:
    """For whom the operator's cookies are: OPERATOR_COOKIES_FOR."""

    everybody: bool = False
    hosts: frozenset[str] = frozenset()
    """The only ones they are sent to; empty: to all that they belong to."""
    owners: frozenset[str] = frozenset()
    """Of the rows that get them; empty: all."""

    @classmethod
    def parse(cls, text: str) -> OperatorRule:
        """`host`, `owner:KEY` or `*`, with commas between. Raises ValueError."""
        told = [word.strip() for word in text.split(",") if word.strip()]
        owners = frozenset(word.removeprefix(OWNER).strip() for word in told if word.startswith(OWNER))
        hosts = {word.lower().lstrip(".") for word in told if not word.startswith(OWNER) and word != EVERYBODY}
        wrong = next((host for host in hosts if not _HOST.fullmatch(host)), None)
        if wrong is not None or "" in owners:
            raise ValueError(f"{wrong or OWNER} is no host, no {OWNER}KEY and no {EVERYBODY}")
        return cls(EVERYBODY in told, frozenset(host.strip("[]") for host in hosts), owners)

    def is_for(self, owner: str | None) -> bool:
        """True when a row of this owner may get some."""
        if self.everybody:
            return True
        return owner in self.owners if self.owners else bool(self.hosts)

    def cut(self, cookies: Sequence[JarCookie]) -> tuple[JarCookie, ...]:
        """The cookies, as far as they go to the hosts that are named."""
        if self.everybody or not self.hosts:
            return tuple(cookies)
        return tuple(each for cookie in cookies for each in self._cut(cookie))

    def _cut(self, cookie: JarCookie) -> Iterator[JarCookie]:
        domain = cookie.domain
        if any(domain == host or domain.endswith(f".{host}") for host in self.hosts):
            yield cookie
        elif not cookie.host_only:
            for host in sorted(self.hosts):
                if host.endswith(f".{domain}"):
                    yield cookie.model_copy(update={"domain": host})


class RowCookies:
    """See the module."""

    def __init__(self, jars: Jars | None = None, settings: Settings | None = None) -> None:
        """Without `jars` and `settings` there are none. Raises SettingsError."""
        self._jars = jars
        self._by_host = settings is not None and settings.cookies_by_host
        self._file = settings.operator_cookies if settings is not None else None
        self._rule = operator_rule(settings) if settings is not None else OperatorRule()
        self._read: tuple[tuple[int, int, int], tuple[JarCookie, ...]] | None = None
        """The operator's, and of which file."""

    async def of(self, source: CookieSource | None) -> tuple[JarCookie, ...]:
        """The cookies for a row. Raises DownloadError: `bad_options` where its owner has no such jar, `needs_cookies`
        where that has expired, `bad_cookies`, `settings`."""
        if source is None:
            return ()
        operators = self._file is not None and self._rule.is_for(source.owner)
        if source.name is None and not self._by_host and not operators:
            return ()
        return await to_thread.run_sync(self._of, source)

    async def context(self, shared: Context, options: Options, source: CookieSource | None) -> Context:
        """The context of a row that asks for these. Raises DownloadError, as `of` does."""
        cookies = await self.of(source)
        http = replace(shared.http, cookies=cookies) if cookies else shared.http
        return shared if options is NO_OPTIONS and not cookies else replace(shared, options=options, http=http)

    def _of(self, source: CookieSource) -> tuple[JarCookie, ...]:
        if source.name is not None:
            return self._named(source.owner, source.name)
        fitting = self._fitting(source) if self._by_host else ()
        if fitting or self._file is None or not self._rule.is_for(source.owner):
            return fitting
        return self._rule.cut(_good(self._operators(self._file)))

    def _named(self, owner: str | None, name: str) -> tuple[JarCookie, ...]:
        try:
            jar = self._jars.get(owner, name) if self._jars is not None else None
        except CookiesError as error:
            raise DownloadError(error.message, hint=error.hint, code=error.code) from error
        if jar is None:
            raise DownloadError(
                f"There is no jar of cookies `{name}` of this owner.",
                hint="Set one: `reactor cookies add`, or Queue.set_cookies.",
                code="bad_options",
            )
        if not (good := _good(jar.cookies)):
            raise DownloadError(f"The cookies in the jar `{name}` have expired.", hint=HINT, code="needs_cookies")
        return good

    def _fitting(self, source: CookieSource) -> tuple[JarCookie, ...]:
        """Those of the jars of the owner that have one for the host of the row."""
        return tuple(each for _, good in self._fitting_jars(source) for each in good)

    def _fitting_jars(self, source: CookieSource) -> list[tuple[str, tuple[JarCookie, ...]]]:
        """Those jars, with what is good of them. What cannot be read does not fit."""
        try:
            host = _host_of(source)
            jars = self._jars.of_owner(source.owner) if self._jars is not None and host else []
        except CookiesError:
            return []
        found = ((jar.name, _good(jar.cookies)) for jar in jars)
        return [(name, good) for name, good in found if any(_goes_to_host(each, host) for each in good)]

    async def help(self, failure: Failure, source: CookieSource | None) -> Choices | None:
        """What would help a row that has failed so: other cookies of its owner; None for nothing."""
        if source is None or self._jars is None or failure.code not in MENDABLE or failure.hint not in HINTS:
            return None
        found = await to_thread.run_sync(self._fitting_jars, source)
        others = [name for name, _ in found if name != source.name]
        sent = source.name is not None or failure.hint == COOKIES_SENT
        return with_cookies(others, "" if sent else _host_of(source))

    def _operators(self, file: Path) -> tuple[JarCookie, ...]:
        try:
            path = file.expanduser()
            found = path.stat()
            stamp = found.st_ino, found.st_mtime_ns, found.st_size
            if self._read is None or self._read[0] != stamp:
                with path.open("rb") as opened:
                    text = opened.read(TEXT_BYTES_MAX + 1).decode("utf-8-sig")
                self._read = stamp, read_cookies(text, clock.wall()).cookies
        except (OSError, UnicodeDecodeError, CookiesError) as error:
            why = error.message.rstrip(".") if isinstance(error, CookiesError) else "the file cannot be read"
            raise DownloadError(f"OPERATOR_COOKIES: {why}.", code="settings") from error
        return self._read[1]


def in_view_of(failure: Failure, cookies: Sequence[Cookie]) -> Failure:
    """The failure of a row whose requests had these: what would help is not cookies, but others."""
    return replace(failure, hint=COOKIES_SENT) if cookies and failure.hint == COOKIES_HELP else failure


def _host_of(source: CookieSource) -> str:
    """That of the row's URL; empty where there is none."""
    try:
        return urlsplit(normalise(source.url)).hostname or ""
    except (DownloadError, ValueError):
        return ""


def operator_rule(settings: Settings) -> OperatorRule:
    """OPERATOR_COOKIES_FOR. Raises SettingsError."""
    try:
        return OperatorRule.parse(settings.operator_cookies_for)
    except ValueError as error:
        raise SettingsError(f"OPERATOR_COOKIES_FOR: {error}.") from error


def _good(cookies: Sequence[JarCookie]) -> tuple[JarCookie, ...]:
    now = clock.wall()
    return tuple(each for each in cookies if not each.is_over(now))


def _goes_to_host(cookie: JarCookie, host: str) -> bool:
    """Whatever the path is."""
    at = f"[{host}]" if ":" in host else host
    return cookie_goes_to(cookie.model_copy(update={"path": "/"}), f"https://{at}/")
