"""Who may use the page: those who know the token, from this very page, under a name that is its own.

- The token opens a session: a cookie that JavaScript cannot read and that no other site's request carries. It is
  signed, so it outlives a restart, and over for good when somebody signs out, with the streams that it has open.
- A wrong token is answered late, and told (`attempts`).
- A request that changes something must come from the page itself (Origin, Sec-Fetch-Site), or bring the token in a
  header, which no other site can do.
- A name that is not ours is not answered: else any site could point its own name here (DNS rebinding). Plain
  addresses are: they point nowhere else.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reactor.web.attempts import Attempts

SESSION_S = 30 * 24 * 3600
SAFE = ("GET", "HEAD")
API = "/api/"
LOGIN = "/api/session"
STREAM = "/api/events"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not answered."""

    status: int
    text: str


NAME_UNKNOWN = Refusal(421, "This page does not answer to that name. Set PAGE_HOSTS to the names it may be called by.")
FROM_ELSEWHERE = Refusal(403, "Another site asked for this, so it was not done.")
TOKEN_WANTED = Refusal(401, "The token is needed.")
TOKEN_WRONG = Refusal(401, "That is not the token.")
TOO_MANY_WRONG = Refusal(429, "Too many wrong tokens were tried from there. Try again in a moment.")


class Door:
    """Knows the token. `names` are those the page may be called by, beside localhost and plain addresses."""

    def __init__(
        self, token: str | None, names: frozenset[str] = frozenset(), now: Callable[[], float] = time.time
    ) -> None:
        self.token = token or secrets.token_urlsafe(24)
        self._names = names | {"localhost"}
        digest = hmac.digest(self.token.encode(), b"session", hashlib.sha256)
        # Cookies do not keep ports apart: two reactors on one machine need two names.
        self._cookie, self._key = f"reactor-{digest.hex()[:8]}", digest[4:]
        self._now = now
        self.attempts = Attempts()
        self.ended: dict[str, int] = {}
        """Sessions that are over, and until when their cookies would be good."""
        self._streams: dict[str, set[anyio.CancelScope]] = {}

    def opens(self, token: str) -> bool:
        """True for the token; takes as long for every other one."""
        return hmac.compare_digest(token.encode(), self.token.encode())

    def key(self, *, secure: bool) -> str:
        """The Set-Cookie that opens a session."""
        named = f"{secrets.token_urlsafe(12)}.{int(self._now()) + SESSION_S}"
        return self._set_cookie(f"{named}.{self._signed(named)}", SESSION_S, secure)

    def lock(self, *, secure: bool) -> str:
        """The Set-Cookie that ends it."""
        return self._set_cookie("", 0, secure)

    def end(self, session: str, until: int) -> None:
        """This session is over, and what it has open ends."""
        self.ended = {each: end for each, end in self.ended.items() if end > self._now()} | {session: until}
        for scope in self._streams.pop(session, ()):
            scope.cancel()

    def session(self, headers: Headers) -> tuple[str, int] | None:
        """The session that a request has, and until when it is good; None when it has none."""
        named, _, signature = cookie_parser(headers.get("cookie", "")).get(self._cookie, "").rpartition(".")
        name, _, until = named.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signed(named).encode()) or name in self.ended:
            return None
        return (name, int(until)) if int(until) > self._now() else None

    @contextmanager
    def streaming(self, headers: Headers) -> Iterator[anyio.CancelScope]:
        """For an answer without end: it is over with the session that asked for it."""
        session = self.session(headers)
        with anyio.CancelScope() as scope:
            if session is None:  # a program that has the token
                yield scope
                return
            self._streams.setdefault(session[0], set()).add(scope)
            try:
                yield scope
            finally:
                self._streams.get(session[0], set()).discard(scope)
                if not self._streams.get(session[0]):
                    self._streams.pop(session[0], None)

    def _signed(self, named: str) -> str:
        return hmac.digest(self._key, named.encode(), hashlib.sha256).hex()

    def _set_cookie(self, value: str, age_s: int, secure: bool) -> str:
        more = "; Secure" if secure else ""
        return f"{self._cookie}={value}; Path=/; Max-Age={age_s}; HttpOnly; SameSite=Strict{more}"

    def refusal(self, method: str, path: str, headers: Headers) -> Refusal | None:
        """Why this request is refused, or None when it may come in."""
        if not self._is_ours(headers.get("host", "")):
            return NAME_UNKNOWN
        if not path.startswith(API):
            return None
        bearer = _bearer(headers)
        by_token = self.opens(bearer)
        if not by_token and not self._is_own(headers, method):
            return FROM_ELSEWHERE
        if by_token or self.session(headers) or (path == LOGIN and method == "POST"):
            return None
        return TOKEN_WRONG if bearer else TOKEN_WANTED

    def _is_ours(self, host: str) -> bool:
        name = _name_in(host)
        try:
            return name in self._names or bool(ip_address(name))
        except ValueError:
            return False

    def _is_own(self, headers: Headers, method: str) -> bool:
        """True when a browser says that the page itself asks, or a person at its address bar wants to read."""
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if origin is not None:
            place = origin.partition("://")[2].lower()
            # What stands in front may put its own name for us into Host; the browser still knows ours.
            known = site == "same-origin" and _name_in(place) in self._names
            if place != headers.get("host", "").lower() and not known:
                return False
        if method in SAFE:
            return site in (None, "same-origin", "none")
        return site == "same-origin" or (site is None and origin is not None)


def _bearer(headers: Headers) -> str:
    return headers.get("authorization", "").removeprefix("Bearer ")


def _name_in(host: str) -> str:
    """The name without its port; "" for what is none."""
    if set(host) & set("@/?#\\"):  # a URL's parts have no place in it
        return ""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


class Guarded:
    """An application behind a door. Every answer carries the headers that keep a page to itself."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or say why not."""
        headers = Headers(scope=scope)
        refusal = await self._refusal(scope, headers)
        app = JSONResponse({"error": refusal.text}, refusal.status) if refusal else self._app

        started = False

        async def send_more(message: Message) -> None:
            nonlocal started
            started = True
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        if refusal or scope["path"] != STREAM:
            await app(scope, receive, send_more)
            return
        with self._door.streaming(headers) as stream:
            await app(scope, receive, send_more)
        if stream.cancelled_caught and started:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _refusal(self, scope: Scope, headers: Headers) -> Refusal | None:
        """Why it is refused; for a wrong token that is said late."""
        brought, place = bool(_bearer(headers)) and scope["path"].startswith(API), place_of(scope)
        if brought and self._door.attempts.busy(place):
            return TOO_MANY_WRONG
        refusal = self._door.refusal(scope["method"], scope["path"], headers)
        if brought and refusal is not NAME_UNKNOWN and not self._door.opens(_bearer(headers)):
            await self._door.attempts.wrong(place)
        return refusal


def place_of(scope: Scope) -> str:
    """The address that a request came from."""
    return str(scope["client"][0]) if scope.get("client") else ""


def names_in(setting: str) -> frozenset[str]:
    """PAGE_HOSTS as names."""
    return frozenset(name.strip().rstrip(".").lower() for name in setting.split(",") if name.strip())
