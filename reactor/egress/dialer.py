"""A host's name → a connection to an address that may be dialed for a stranger.

A name is resolved once, each address is judged, and the very address that passed is dialed: a name that leads
elsewhere at the second question is never asked a second one.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from ipaddress import IPv6Network

import anyio
from anyio import CapacityLimiter, to_thread

from reactor.egress.addresses import NAT64_NAME, Address, Exceptions, is_public, nat64_prefixes, plain
from reactor.errors import DownloadError
from reactor.net.race import Race, family_of

RESOLVE_S = 20.0
DIAL_S = 20.0
BESIDE_MAX = 64
"""Connections tried beside another one, of all hosts together: each takes an open file."""
KEPT_S = 30.0
"""How long a resolved name counts: what is fetched in a thousand parts is not looked up a thousand times."""
NAMES_MAX = 512
NAT64_S = 3.0
"""How long it may take to find out about this network's NAT64. Without an answer there is none."""
NAT64_KEPT_S = 60.0
RESOLVERS = 16
"""Names looked up at once: a slow name server holds up strangers' downloads and nothing else."""
DISCARD = 9
"""A port that nothing is ever sent to."""
_NO_FILE_LEFT = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
"""What says nothing of an address."""
HINT = "Whoever runs this machine can allow it: ALLOWED_PRIVATE_HOSTS."

Endpoint = tuple[str, int]
"""A host, by name or address, and a port."""
LookUp = Callable[[str], Iterable[Address]]
"""Asks the name servers: every address of a host. Blocks. Raises OSError or ValueError."""


class Dialer:
    """Connects on behalf of downloads. It never connects to `own`, whatever is allowed."""

    def __init__(
        self,
        exceptions: Exceptions | None = None,
        *,
        own: Callable[[], Iterable[Endpoint]] = lambda: (),
        look_up: LookUp | None = None,
    ) -> None:
        self._exceptions = exceptions or Exceptions()
        self._own = own
        self._look_up = look_up or _look_up
        self._limiter = CapacityLimiter(RESOLVERS)
        self._nat64_kept: tuple[float, frozenset[IPv6Network]] = (0.0, frozenset())
        self._beside = anyio.Semaphore(BESIDE_MAX)
        self._known: OrderedDict[str, tuple[float, tuple[Address, ...]]] = OrderedDict()
        self.inside: dict[str, Callable[[], Awaitable[socket.socket]]] = {}
        """Hosts that this process serves itself, under names that no name server knows, and what connects to each."""

    async def resolve(self, host: str, port: int) -> tuple[Address, ...]:
        """The allowed addresses of a host, best first.

        Raises DownloadError: `refused_address` when none is allowed, `dns` when there is none, `unreachable` when the
        resolver fails."""
        found = await self._addresses(host)
        ours = await self._ours(port)
        nat64 = await self._nat64() if any(each.version == 6 and is_public(each) for each in found) else frozenset()
        try:
            allowed = tuple(each for each in found if self._may(host, port, each, nat64) and not ours(each))
        except OSError as error:
            raise _no_file_left(host) from error
        if not allowed:
            raise refused(host)
        return allowed

    def _may(self, host: str, port: int, address: Address, nat64: frozenset[IPv6Network]) -> bool:
        """From inside no firewall stands before this machine's own services, at its public addresses neither."""
        if self._exceptions.name(host, port) or self._exceptions.hold(address, port):
            return True
        return is_public(address, nat64) and not is_here(address)

    async def dial(self, host: str, port: int) -> socket.socket:
        """A connected socket, non-blocking. Raises DownloadError: as `resolve`, and `unreachable`, `timeout`."""
        if connect := self.inside.get(host):
            return await connect()
        addresses = await self.resolve(host, port)
        try:
            with anyio.fail_after(DIAL_S):
                connected = await Race(port, self._beside).run(addresses)
        except TimeoutError:
            raise DownloadError(f"{host} did not answer in time.", code="timeout", retryable=True) from None
        if connected is None:
            raise DownloadError(f"{host} refuses the connection.", code="unreachable", retryable=True)
        return connected

    async def _addresses(self, host: str) -> tuple[Address, ...]:
        try:  # what needs no name server needs no thread
            return _look_up(host, socket.AI_NUMERICHOST)
        except (OSError, ValueError):
            pass
        now = anyio.current_time()
        kept_until, found = self._known.get(host, (0.0, ()))
        if kept_until > now:
            return found
        try:
            with anyio.fail_after(RESOLVE_S):
                told = await to_thread.run_sync(self._look_up, host, abandon_on_cancel=True, limiter=self._limiter)
                found = tuple(told)
        except (OSError, ValueError) as error:  # a TimeoutError is an OSError; ValueError: no name that DNS knows
            sentence = f"The host {host} does not exist, or its name cannot be resolved now."
            raise DownloadError(sentence, code="dns", retryable=True) from error
        self._known[host] = (now + KEPT_S, found)
        self._known.move_to_end(host)
        if len(self._known) > NAMES_MAX:
            self._known.popitem(last=False)
        return found

    async def _nat64(self) -> frozenset[IPv6Network]:
        """The prefixes under which this network leads to IPv4 addresses, private ones perhaps."""
        if self._nat64_kept[0] <= anyio.current_time():
            found: tuple[Address, ...] = ()
            with anyio.move_on_after(NAT64_S), suppress(DownloadError):
                found = await self._addresses(NAT64_NAME)
            self._nat64_kept = (anyio.current_time() + NAT64_KEPT_S, nat64_prefixes(found))
        return self._nat64_kept[1]

    async def _ours(self, port: int) -> Callable[[Address], bool]:
        """Whether an address with this port is one of our own doors."""
        hosts = {host for host, own in self._own() if own == port}
        if not hosts:
            return lambda _: False
        closed: set[Address] = set()
        for host in hosts:
            try:
                closed |= {plain(each) for each in await self._addresses(host)}
            except DownloadError:  # it cannot be meant by an address that nobody finds
                continue
        return lambda address: plain(address) in closed or (is_here(address) and any(map(is_here, closed)))


def refused(host: str) -> DownloadError:
    """The error for an address that is refused."""
    sentence = f"{host} resolves to this machine or a private network, which links may not reach."
    return DownloadError(sentence, hint=HINT, code="refused_address")


def _no_file_left(host: str) -> DownloadError:
    sentence = f"Too many connections are open for another one to {host}."
    return DownloadError(sentence, code="unreachable", retryable=True)


def is_here(address: Address) -> bool:
    """True for an address of this machine, by the source address of a route to it; sends no packet. Raises OSError when
    that is unknown."""
    address = plain(address)
    if address.is_loopback or address.is_unspecified:
        return True
    try:
        with socket.socket(family_of(address), socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), DISCARD))
            return ipaddress.ip_address(probe.getsockname()[0]) == address
    except OSError as error:
        if error.errno in _NO_FILE_LEFT:
            raise
        return False  # no way leads there, or this machine has no addresses of this family


def _look_up(host: str, flags: int = 0) -> tuple[Address, ...]:
    """Every address of a name, or of an address in any spelling. Raises OSError or ValueError."""
    name = host.encode() if host.isascii() else host  # for text, the tables of IDNA are imported in any case
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=flags)
    return tuple(dict.fromkeys(ipaddress.ip_address(each[4][0]) for each in found))
