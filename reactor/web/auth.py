"""Authentication of the page.

- The token opens a session: an HttpOnly, SameSite=Strict cookie. It is signed, so it survives a restart; signing out
  revokes it for good and closes its streams.
- Wrong tokens are answered with a delay, and reported (`attempts`).
- CSRF: a changing request must come from the page itself (Origin, Sec-Fetch-Site), or carry the token in a header,
  which no other site can send.
- DNS rebinding: requests to an unknown host name are refused. IP addresses are accepted, as they cannot be rebound.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from urllib.parse import urlsplit

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reactor.records import dataclass
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
    """Why a request is refused."""

    status: int
    text: str


UNKNOWN_HOST = Refusal(421, "Unknown host name. Add it to PAGE_HOSTS.")
CROSS_SITE = Refusal(403, "Cross-site requests are refused.")
TOKEN_MISSING = Refusal(401, "A token is required.")
TOKEN_WRONG = Refusal(401, "Wrong token.")
TOO_MANY_WRONG = Refusal(429, "Too many wrong tokens from this address. Try again in a moment.")


class Auth:
    """Checks tokens, sessions and origins. `names`: host names of the page, besides localhost and IP addresses."""

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
        """Revoked sessions, and when their cookies expire."""
        self._streams: dict[str, set[anyio.CancelScope]] = {}

    def is_token(self, token: str) -> bool:
        """True for the token, compared in constant time."""
        return hmac.compare_digest(token.encode(), self.token.encode())

    def session_cookie(self, *, secure: bool) -> str:
        """The Set-Cookie of a new session."""
        named = f"{secrets.token_urlsafe(12)}.{int(self._now()) + SESSION_S}"
        return self._set_cookie(f"{named}.{self._signed(named)}", SESSION_S, secure)

    def expired_cookie(self, *, secure: bool) -> str:
        """The Set-Cookie that deletes the cookie."""
        return self._set_cookie("", 0, secure)

    def end_session(self, session: str, until: int) -> None:
        """Revoke a session and close its streams."""
        self.ended = {each: end for each, end in self.ended.items() if end > self._now()} | {session: until}
        for scope in self._streams.pop(session, ()):
            scope.cancel()

    def session(self, headers: Headers) -> tuple[str, int] | None:
        """The valid session of a request and its expiry; None without one."""
        named, _, signature = cookie_parser(headers.get("cookie", "")).get(self._cookie, "").rpartition(".")
        name, _, until = named.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signed(named).encode()) or name in self.ended:
            return None
        return (name, int(until)) if int(until) > self._now() else None

    @contextmanager
    def streaming(self, headers: Headers) -> Iterator[anyio.CancelScope]:
        """A scope for an endless response, cancelled when its session ends."""
        session = self.session(headers)
        with anyio.CancelScope() as scope:
            if session is None:  # authenticated by the token itself
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
        """Why this request is refused; None when it is allowed."""
        if not self._is_known_host(headers.get("host", "")):
            return UNKNOWN_HOST
        if not path.startswith(API):
            return None
        bearer = _bearer(headers)
        by_token = self.is_token(bearer)
        if not by_token and not self._is_same_origin(headers, method):
            return CROSS_SITE
        if by_token or self.session(headers) or (path == LOGIN and method == "POST"):
            return None
        return TOKEN_WRONG if bearer else TOKEN_MISSING

    def _is_known_host(self, host: str) -> bool:
        name = _host_name(host)
        try:
            return name in self._names or bool(ip_address(name))
        except ValueError:
            return False

    def _is_same_origin(self, headers: Headers, method: str) -> bool:
        """True when a browser says that the request comes from the page itself, or reads from the address bar."""
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if origin is not None:
            place = origin.partition("://")[2].lower()
            # A proxy may rewrite Host; the browser still sends the original origin.
            known = site == "same-origin" and _host_name(place) in self._names
            if place != headers.get("host", "").lower() and not known:
                return False
        if method in SAFE:
            return site in (None, "same-origin", "none")
        return site == "same-origin" or (site is None and origin is not None)


def _bearer(headers: Headers) -> str:
    return headers.get("authorization", "").removeprefix("Bearer ")


def _host_name(host: str) -> str:
    """The host name without its port; "" for an invalid one."""
    if set(host) & set("@/?#\\"):  # a URL's parts have no place in it
        return ""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


class AuthMiddleware:
    """ASGI middleware: authenticates every request and sets the security headers of every response."""

    def __init__(self, app: ASGIApp, auth: Auth) -> None:
        self._app = app
        self._auth = auth

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
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
        with self._auth.streaming(headers) as stream:
            await app(scope, receive, send_more)
        if stream.cancelled_caught and started:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _refusal(self, scope: Scope, headers: Headers) -> Refusal | None:
        """Why it is refused. A wrong token is answered with a delay."""
        brought, place = bool(_bearer(headers)) and scope["path"].startswith(API), client_address(scope)
        if brought and self._auth.attempts.busy(place):
            return TOO_MANY_WRONG
        refusal = self._auth.refusal(scope["method"], scope["path"], headers)
        if brought and refusal is not UNKNOWN_HOST and not self._auth.is_token(_bearer(headers)):
            await self._auth.attempts.wrong(place)
        return refusal


def client_address(scope: Scope) -> str:
    """The IP address of the client."""
    return str(scope["client"][0]) if scope.get("client") else ""


def parse_hosts(setting: str) -> frozenset[str]:
    """The host names in PAGE_HOSTS."""
    return frozenset(name.strip().rstrip(".").lower() for name in setting.split(",") if name.strip())
