"""What all HTTP requests of one reactor share."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import field

from reactor import __version__
from reactor.net.client import Client, Dial
from reactor.net.held import HeldAnswers
from reactor.net.jar import Jar, combined, without
from reactor.plan import Cookie
from reactor.records import dataclass

USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36"
"""A browser's, unless set otherwise: servers built for people refuse others."""
OWN_USER_AGENT = f"reactor/{__version__}"


def user_agent_of(setting: str) -> str:
    """The User-Agent for a value of USER_AGENT: empty is a browser's, `reactor` reactor's own."""
    return {"": USER_AGENT, "reactor": OWN_USER_AGENT}.get(setting, setting)


@dataclass(frozen=True, slots=True)
class HttpSession:
    """A client and its timeout. `open_session` makes it."""

    client: Client
    """Follows no redirects, keeps no cookies, reads no proxy settings or netrc."""
    timeout_s: float = 20.0
    """How long a server may take to be connected to, and to answer one request, redirects included."""
    patience_s: float = 20.0
    """The same for the request that decides: some servers first make what they send."""
    held: HeldAnswers = field(default_factory=HeldAnswers)
    """Answers that the fetch is going to take over."""
    home_headers: Callable[[str], Mapping[str, str]] | None = None
    """Headers that a row asks for, by the URL of a request: for its own host only. What is said otherwise counts more.
    """
    cookies: tuple[Cookie, ...] = ()
    """Those of whoever asked, which go with each request to the hosts they belong to. They are in no plan: what fetches
    adds them anew."""

    def jar(self, more: Iterable[Cookie] = ()) -> Jar:
        """A jar for some requests, with those cookies, and more."""
        return combined(self.cookies, more)

    def new_cookies(self, cookies: Iterable[Cookie]) -> tuple[Cookie, ...]:
        """Those that sites have set since: what goes along anyway is not among them."""
        return without(cookies, self.cookies) if self.cookies else tuple(cookies)


@asynccontextmanager
async def open_session(
    *,
    user_agent: str = "",
    timeout_s: float = 20.0,
    patience_s: float = 0.0,
    tls: ssl.SSLContext | None = None,
    dial: Dial | None = None,
) -> AsyncIterator[HttpSession]:
    """One client, closed at the end. `patience_s` is at least `timeout_s`. Without `tls` it trusts the CAs of
    `programs.ca_file`; `dial` opens its connections."""
    async with Client(user_agent=user_agent_of(user_agent), timeout_s=timeout_s, tls=tls, dial=dial) as client:
        session = HttpSession(client, timeout_s, max(timeout_s, patience_s))
        try:
            yield session
        finally:
            session.held.close()
