"""Cookies as people bring them: the `cookies.txt` of a browser (Netscape's format), and what extensions export as JSON.

    read_cookies(text, now)        the cookies that a browser would keep, and how many it would not
    netscape(cookies)              as a `cookies.txt`, for yt-dlp

Both forms are read as far as the limits below, in time proportional to the text. A text that is cut off or damaged is
refused with the line: half a login is none. No error repeats anything of the text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import ValidationError

from reactor import numbers
from reactor.errors import CookiesError
from reactor.net.jar import Jar, is_address
from reactor.patterns import pattern
from reactor.plan import Cookie
from reactor.records import dataclass

TEXT_BYTES_MAX = 1024 * 1024
"""Of the text: a browser's whole store, which holds some 3000 cookies, exports to less."""
KEPT_MAX = 3000
"""Cookies of one jar, as in a browser's whole store. More are refused: dropping some would break a login."""
MOMENT_MAX = 253_402_214_400.0
"""Seconds since the epoch: the year 9999."""
HTTP_ONLY = "#HttpOnly_"
"""Before the domain in a `cookies.txt`: scripts of pages do not see the cookie."""
FIELDS = 7
EXPORT = "Export them anew: as cookies.txt (Netscape), or as JSON by a browser's extension."

_HOST = pattern(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*|\[?[0-9a-f:.]{2,45}\]?")
_CONTROL = pattern(r"[\x00-\x08\x0a-\x1f\x7f]")
_OUT_OF_PLACE = pattern(r"[\x00-\x1f\x7f;]")
"""In a name or a value it would end the header line, or begin another cookie."""


class JarCookie(Cookie):
    """A cookie as a browser keeps it."""

    expires: float | None = None
    """Seconds since the epoch; None: with the browser's session."""

    def is_over(self, now: float) -> bool:
        """True when a browser would have deleted it."""
        return self.expires is not None and self.expires <= now


@dataclass(frozen=True, slots=True)
class CookiesRead:
    """What a text holds."""

    cookies: tuple[JarCookie, ...]
    left_out: int
    """Those that a browser would not keep: expired, too large, of no host, more than its limit for one domain."""


def read_cookies(text: str, now: float) -> CookiesRead:
    """The cookies of a `cookies.txt` or of a JSON export. Raises CookiesError where there is none to keep."""
    if len(text) > TEXT_BYTES_MAX or len(text.encode(errors="replace")) > TEXT_BYTES_MAX:
        raise CookiesError(
            f"The cookies are too long: {TEXT_BYTES_MAX // 1024} KiB are read.", hint="Export those of one site only."
        )
    text = text.removeprefix("\ufeff").strip()
    if not text:
        raise CookiesError("There are no cookies in it.", hint=EXPORT)
    found, kept = 0, list[JarCookie]()
    for fields in _of_json(text) if text[0] in "[{" else _of_lines(text):
        found += 1
        if (cookie := _kept(fields)) is not None and not cookie.is_over(now):
            kept.append(cookie)
        if len(kept) > KEPT_MAX:
            raise CookiesError(f"There are more than {KEPT_MAX} cookies in it.", hint="Export those of one site only.")
    if not kept and found:
        raise CookiesError("All of these cookies have expired, or are invalid.", hint=EXPORT)
    if not kept:
        raise CookiesError("There are no cookies in it.", hint=EXPORT)
    jar = tuple(each for each in Jar(kept, most=KEPT_MAX) if isinstance(each, JarCookie))
    return CookiesRead(jar, found - len(jar))


def netscape(cookies: Iterable[Cookie]) -> str:
    """As a `cookies.txt`, for Python's reader of it, to which a host without a dot has `.local` behind. They are said
    to last as long as the session: they were looked at just now."""
    lines = (
        "\t".join((
            f"{HTTP_ONLY if each.http_only else ''}{'' if each.host_only else '.'}{_dotted(each.domain)}",
            "FALSE" if each.host_only else "TRUE",
            each.path,
            "TRUE" if each.secure else "FALSE",
            "0",
            each.name,
            each.value,
        ))
        for each in cookies
    )  # fmt: skip
    return "".join(f"{line}\n" for line in ("# Netscape HTTP Cookie File", *lines))


def _dotted(domain: str) -> str:
    return domain if "." in domain or ":" in domain else f"{domain}.local"


# Netscape


def _of_lines(text: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if _CONTROL.search(line):
            raise CookiesError(f"Line {number} of the cookies has a control character in it.", hint=EXPORT)
        http_only = line.startswith(HTTP_ONLY)
        line = line.removeprefix(HTTP_ONLY)
        if not line.strip() or line.startswith("#"):
            continue
        # Chats make spaces of tabs; an empty value is left out by editors that trim.
        fields = line.split("\t") if "\t" in line else line.split(maxsplit=FIELDS - 1)
        fields += [""] * (len(fields) == FIELDS - 1)
        if len(fields) != FIELDS or fields[1].upper() not in ("TRUE", "FALSE"):
            raise CookiesError(f"Line {number} of the cookies does not have the format of a cookies.txt.", hint=EXPORT)
        domain, below, path, secure, expires, name, value = fields
        yield {
            "name": name,
            "value": value,
            "domain": domain,
            "path": path,
            "secure": secure.upper() == "TRUE",
            "host_only": below.upper() != "TRUE" and not domain.startswith("."),
            "http_only": http_only,
            "expires": numbers.decimal(expires, most=MOMENT_MAX) or None,
        }


# JSON


def _of_json(text: str) -> Iterator[dict[str, Any]]:
    try:
        told = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise CookiesError("The cookies are not valid JSON, or cut off.", hint=EXPORT) from None
    if isinstance(told, dict):
        told = told.get("cookies")
    if not isinstance(told, list):
        raise CookiesError("The JSON is not a list of cookies.", hint=EXPORT)
    for number, each in enumerate(told, 1):
        if not isinstance(each, dict) or not all(isinstance(each.get(key), str) for key in ("name", "value", "domain")):
            raise CookiesError(f"Entry {number} of the cookies has no name, value and domain.", hint=EXPORT)
        if any(_CONTROL.search(each[key]) for key in ("name", "value", "domain")):
            raise CookiesError(f"Entry {number} of the cookies has a control character in it.", hint=EXPORT)
        moment = next((each[key] for key in ("expirationDate", "expires", "expiry") if key in each), None)
        only = each.get("hostOnly")
        yield {
            "name": each["name"],
            "value": each["value"],
            "domain": each["domain"],
            "path": each.get("path", "/"),
            "secure": each.get("secure") is True,
            "host_only": only if isinstance(only, bool) else not each["domain"].startswith("."),
            "http_only": each.get("httpOnly") is True,
            "expires": numbers.bounded(moment, most=MOMENT_MAX) or None,
        }


def _no_constant(name: str) -> object:
    raise ValueError(name)


# Both


def _kept(fields: dict[str, Any]) -> JarCookie | None:
    """The cookie, as a browser would keep it; None where it would not."""
    domain = fields["domain"].strip().lower().lstrip(".")
    if not fields["name"] or len(domain) > 253 or not _HOST.fullmatch(domain):
        return None
    if any(_OUT_OF_PLACE.search(fields[key]) for key in ("name", "value")) or "=" in fields["name"]:
        return None
    domain = domain.strip("[]")
    lone = "." not in domain or is_address(domain)
    if lone and not fields["host_only"] and not is_address(domain) and domain != "localhost":
        return None  # it would go to a whole top-level domain
    path = fields["path"] if isinstance(fields["path"], str) and fields["path"].startswith("/") else "/"
    if _OUT_OF_PLACE.search(path):
        return None
    try:
        return JarCookie(**fields | {"domain": domain, "path": path, "host_only": fields["host_only"] or lone})
    except ValidationError:
        return None


# As they are stored

_FLAGS = ("secure", "host_only", "http_only")


def stored(cookies: Iterable[JarCookie]) -> list[list[Any]]:
    """As JSON, without a word that repeats."""
    return [
        [c.name, c.value, c.domain, c.path, *(int(getattr(c, flag)) for flag in _FLAGS), c.expires] for c in cookies
    ]


def restored(rows: Iterable[Any]) -> Iterator[JarCookie]:
    """What `stored` has made, held against the same limits: the file may have been edited. Raises ValueError."""
    for row in rows:
        name, value, domain, path, *flags, expires = row
        fields = {"name": name, "value": value, "domain": domain, "path": path, "expires": expires}
        if not all(isinstance(each, str) for each in (name, value, domain, path)):
            raise ValueError("no cookie")
        if (cookie := _kept(fields | dict(zip(_FLAGS, map(bool, flags), strict=True)))) is not None:
            yield cookie
