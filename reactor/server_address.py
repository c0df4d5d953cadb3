"""The address of a database on a PostgreSQL server, as people write it: `postgresql://user@host/name`.

A URL that was copied from the settings of a bot names its driver as well (`postgresql+asyncpg://…`): that part is taken
away. The password is in no message."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote, urlsplit

from reactor.patterns import pattern

SCHEME = pattern(r"(postgres|postgresql)(\+\w+)?")


class ServerAddress:
    """One database on a server."""

    def __init__(self, conninfo: str) -> None:
        self.conninfo = conninfo
        """As libpq takes it, with the password."""

    def absolute(self) -> ServerAddress:
        """As of a path: it is the same from everywhere."""
        return self

    def resolve(self) -> ServerAddress:
        """The same."""
        return self

    def __fspath__(self) -> str:
        """As it is handed on, wherever the path of a database may stand."""
        return self.conninfo

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ServerAddress) and other.conninfo == self.conninfo

    def __hash__(self) -> int:
        return hash(self.conninfo)

    def __repr__(self) -> str:
        return f"ServerAddress({str(self)!r})"

    def __str__(self) -> str:
        """For messages: without the password."""
        parts = urlsplit(self.conninfo)
        user, _, place = parts.netloc.rpartition("@")
        name = user.partition(":")[0]
        if "@" in parts.path or "@" in parts.fragment:  # a password that was not written as a URL wants it
            return "postgresql://…"
        hosts = [value for key, value in parse_qsl(parts.query) if key == "host"]
        place = place or unquote(",".join(hosts))
        return f"postgresql://{name}@{place}{parts.path}" if name else f"postgresql://{place}{parts.path}"


def server_address(given: object) -> ServerAddress | None:
    """What is meant, if it is the URL of a PostgreSQL server; None for anything else."""
    if isinstance(given, ServerAddress):
        return given
    if not isinstance(given, str):
        return None
    scheme, separator, rest = given.strip().strip("\"'").partition("://")
    if not separator or SCHEME.fullmatch(scheme.lower()) is None:
        return None
    return ServerAddress(f"postgresql://{rest}")
