"""Login by Digest (RFC 7616, and RFC 2617 before it): a server's challenge → the header that answers it. Pure, but for
the random number that the answer needs.

Of what a server offers the first is taken that is understood. The body is not part of what is signed (`auth-int`)."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterator, Mapping

from reactor.net.credentials import Credentials
from reactor.patterns import pattern
from reactor.records import dataclass

CHALLENGE_MAX = 4096
"""Characters; of a longer one the beginning counts."""
_SCHEME = pattern(r"(?:^|,)\s*digest\s+", re.IGNORECASE)
_PAIR = pattern(r'[\s,]*([a-z][a-z0-9*_-]{0,30})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))', re.IGNORECASE)
_ESCAPED = pattern(r"\\(.)")
_HASHES = {"md5": "md5", "sha-256": "sha256", "sha-512-256": "sha512_256"}
_SESSION = "-sess"
_UNSENDABLE = pattern(r"[\x00-\x1f\x7f]")


@dataclass(slots=True)
class DigestLogin:
    """A login for one server. Each header is another one: the server may count them."""

    credentials: Credentials
    realm: str
    nonce: str
    algorithm: str | None
    """As the server spells it; None: MD5, unsaid."""
    opaque: str | None
    counted: bool
    """Whether the server has `qop=auth`; if not, the answer is that of RFC 2069."""
    asked: int = 0

    def header(self, method: str, target: str) -> str:
        """The value of `Authorization` for one request."""
        self.asked += 1
        username, password = self.credentials.username, self.credentials.password
        count, ours = f"{self.asked:08x}", secrets.token_hex(8)
        secret = self._hash(f"{username}:{self.realm}:{password}")
        if (self.algorithm or "").lower().endswith(_SESSION):
            secret = self._hash(f"{secret}:{self.nonce}:{ours}")
        signed = f"{count}:{ours}:auth:" if self.counted else ""
        response = self._hash(f"{secret}:{self.nonce}:{signed}{self._hash(f'{method}:{target}')}")
        quoted = {"username": username, "realm": self.realm, "nonce": self.nonce, "uri": target, "response": response}
        quoted |= {"opaque": self.opaque} if self.opaque is not None else {}
        quoted |= {"cnonce": ours} if self.counted or self.algorithm else {}
        plain = {"algorithm": self.algorithm} if self.algorithm else {}
        plain |= {"qop": "auth", "nc": count} if self.counted else {}
        pairs = [f"{name}={_quoted(value)}" for name, value in quoted.items()]
        return "Digest " + ", ".join([*pairs, *(f"{name}={value}" for name, value in plain.items())])

    def _hash(self, text: str) -> str:
        name = _HASHES[(self.algorithm or "md5").lower().removesuffix(_SESSION)]
        return hashlib.new(name, text.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()


def digest_login(challenges: str, credentials: Credentials) -> DigestLogin | None:
    """The login for the value of `WWW-Authenticate`; None where it asks for no Digest that is understood."""
    for pairs in _offers(challenges[:CHALLENGE_MAX]):
        algorithm, qop = pairs.get("algorithm"), pairs.get("qop")
        known = (algorithm or "md5").lower().removesuffix(_SESSION) in _HASHES
        methods = None if qop is None else [each.strip().lower() for each in qop.split(",")]
        if known and "nonce" in pairs and (methods is None or "auth" in methods):
            opaque, counted = pairs.get("opaque"), methods is not None
            return DigestLogin(credentials, pairs.get("realm", ""), pairs["nonce"], algorithm, opaque, counted)
    return None


def _offers(challenges: str) -> Iterator[Mapping[str, str]]:
    """The parameters of each Digest that is offered, names in lower case."""
    for scheme in _SCHEME.finditer(challenges):
        pairs, at = dict[str, str](), scheme.end()
        while pair := _PAIR.match(challenges, at):
            value = _ESCAPED.sub(r"\1", pair[2]) if pair[2] is not None else pair[3]
            pairs.setdefault(pair[1].lower(), _UNSENDABLE.sub("", value))
            at = pair.end()
        yield pairs


def _quoted(value: str) -> str:
    escaped = _UNSENDABLE.sub("", value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
