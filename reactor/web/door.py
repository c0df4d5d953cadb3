"""Who may use the page: those who know the token, from this very page, under a name that is its own.

- The token opens a session: a cookie that JavaScript cannot read and that no other site's request carries.
- A request that changes something must come from the page itself (Origin, Sec-Fetch-Site), or bring the token in a
  header, which no other site can do.
- A name that is not ours is not answered: else any site could point its own name here (DNS rebinding). Plain
  addresses are: they point nowhere else.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SESSION_S = 30 * 24 * 3600
SAFE = ("GET", "HEAD")
API = "/api/"
LOGIN = "/api/session"
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
    sentence: str


NAME_UNKNOWN = Refusal(421, "This page does not answer to that name. Set HTTP_HOSTS to the names it may be called by.")
FROM_ELSEWHERE = Refusal(403, "Another site asked for this, so it was not done.")
TOKEN_WANTED = Refusal(401, "The token is needed.")
TOKEN_WRONG = Refusal(401, "That is not the token.")


class Door:
    """Knows the token. `names` are those the page may be called by, beside localhost and plain addresses."""

    def __init__(self, token: str | None, names: frozenset[str] = frozenset()) -> None:
        self.token = token or secrets.token_urlsafe(24)
        self._names = names | {"localhost"}
        digest = hmac.digest(self.token.encode(), b"session", hashlib.sha256).hex()
        # Cookies do not keep ports apart: two reactors on one machine need two names.
        self._cookie, self._session = f"reactor-{digest[:8]}", digest[8:]

    def opens(self, token: str) -> bool:
        """True for the token; takes as long for every other one."""
        return hmac.compare_digest(token.encode(), self.token.encode())

    def key(self, *, secure: bool) -> str:
        """The Set-Cookie that opens a session."""
        return self._set_cookie(self._session, SESSION_S, secure)

    def lock(self, *, secure: bool) -> str:
        """The Set-Cookie that ends it."""
        return self._set_cookie("", 0, secure)

    def _set_cookie(self, value: str, age_s: int, secure: bool) -> str:
        more = "; Secure" if secure else ""
        return f"{self._cookie}={value}; Path=/; Max-Age={age_s}; HttpOnly; SameSite=Strict{more}"

    def refusal(self, method: str, path: str, headers: Headers) -> Refusal | None:
        """Why this request is refused, or None when it may come in."""
        if not self._is_ours(headers.get("host", "")):
            return NAME_UNKNOWN
        if not path.startswith(API):
            return None
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        by_token = self.opens(bearer)
        if not by_token and not self._is_own(headers, method):
            return FROM_ELSEWHERE
        if by_token or self._has_session(headers) or (path == LOGIN and method == "POST"):
            return None
        return TOKEN_WRONG if bearer else TOKEN_WANTED

    def _has_session(self, headers: Headers) -> bool:
        session = cookie_parser(headers.get("cookie", "")).get(self._cookie, "")
        return hmac.compare_digest(session.encode(), self._session.encode())

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
        refusal = self._door.refusal(scope["method"], scope["path"], Headers(scope=scope))
        app = JSONResponse({"error": refusal.sentence}, refusal.status) if refusal else self._app

        async def send_more(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await app(scope, receive, send_more)


def names_in(setting: str) -> frozenset[str]:
    """HTTP_HOSTS as names."""
    return frozenset(name.strip().rstrip(".").lower() for name in setting.split(",") if name.strip())
