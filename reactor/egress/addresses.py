"""Which addresses may be dialed for a stranger. Judged is what a name resolved to, never how it was spelled."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from reactor.net.race import Address as Address
from reactor.patterns import pattern
from reactor.records import dataclass

Network = IPv4Network | IPv6Network

# Not on the internet, whoever asks: IANA's registries of special-purpose addresses. `ipaddress.is_global` differs
# from one Python to the next, and calls multicast, NAT64 and 6to4 global.
_NOT_PUBLIC_V4 = [
    IPv4Network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        "168.63.129.16/32",  # what a cloud's virtual machines find their host's metadata under
    )
]
_PUBLIC_V6 = IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = [IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "3fff::/20")]
# What carries an IPv4 address, and how far from the right it stands. Of the other wrappings ::a.b.c.d and Teredo lead
# nowhere, and a NAT64 with a prefix of its operator's is found by asking, see `nat64_prefixes`.
_WRAPPED = [(IPv6Network("::ffff:0:0/96"), 0), (IPv6Network("64:ff9b::/96"), 0), (IPv6Network("2002::/16"), 80)]

NAT64_NAME = "ipv4only.arpa"
"""A name without IPv6 addresses: where it has some, they show the prefix of this network's NAT64 (RFC 7050)."""
_NAT64_V4 = (IPv4Address("192.0.0.170"), IPv4Address("192.0.0.171"))
"""Its IPv4 addresses."""
_NAT64_LENGTHS = (32, 40, 48, 56, 64, 96)

_NUMBER = pattern(r"\d{1,5}")
_NAME = pattern(r"(?=[\d.]*[^\d.])[\w.-]+")
_BRACKETED = pattern(r"\[([^\]]+)\](.*)")


def is_public(address: Address, nat64: Iterable[IPv6Network] = ()) -> bool:
    """True for a public address. An address that embeds another is judged by the embedded one; `nat64` are the prefixes
    of this network's NAT64."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_V4)
    for network, shift in _WRAPPED:
        if address in network:
            return is_public(IPv4Address(int(address) >> shift & 0xFFFF_FFFF))
    if address not in _PUBLIC_V6 or any(address in network for network in _NOT_PUBLIC_V6):
        return False
    return all(is_public(_translated(address, prefix.prefixlen)) for prefix in nat64 if address in prefix)


def nat64_prefixes(found: Iterable[Address]) -> frozenset[IPv6Network]:
    """The prefixes of this network's NAT64, by the addresses that it gives to `NAT64_NAME`."""
    return frozenset(
        IPv6Network((address, length), strict=False)
        for address in found
        if isinstance(address, IPv6Address)
        for length in _NAT64_LENGTHS
        if _translated(address, length) in _NAT64_V4
    )


def _translated(address: IPv6Address, length: int) -> IPv4Address:
    """What stands behind a prefix of so many bits; the ninth byte is left out (RFC 6052, section 2.2)."""
    packed = address.packed if length == 96 else address.packed[:8] + address.packed[9:]
    return IPv4Address(packed[length // 8 :][:4])


def plain(address: Address) -> Address:
    """The IPv4 address that an IPv4-mapped one is: the same on the wire."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


@dataclass(frozen=True, slots=True)
class Exceptions:
    """The non-public hosts and networks that may be connected to: ALLOWED_PRIVATE_HOSTS."""

    hosts: frozenset[tuple[str, int | None]] = frozenset()
    """Names in lower case, each with its port; None: any."""
    networks: tuple[tuple[Network, int | None], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Exceptions:
        """Read `nas.lan, 192.168.1.0/24, 127.0.0.1:8080, [fd00::/8]:80`. Raises ValueError with a sentence."""
        hosts, networks = set(), []
        for entry in text.replace(",", " ").split():
            place, port = _split(entry)
            try:
                networks.append((ipaddress.ip_network(place, strict=False), port))
            except ValueError:
                if not _NAME.fullmatch(place):
                    raise _odd(entry) from None
                hosts.add((place.lower().rstrip("."), port))
        return cls(frozenset(hosts), tuple(networks))

    def name(self, host: str, port: int) -> bool:
        """True when this host name is allowed, whatever it resolves to."""
        host = host.lower().rstrip(".")
        return (host, None) in self.hosts or (host, port) in self.hosts

    def hold(self, address: Address, port: int) -> bool:
        """True when an address is allowed."""
        address = plain(address)
        return any(address in network and allowed in (None, port) for network, allowed in self.networks)


def _split(entry: str) -> tuple[str, int | None]:
    """The port behind the last colon; an IPv6 address that has one stands in brackets."""
    bracketed = _BRACKETED.fullmatch(entry)
    if bracketed:
        place, rest = bracketed[1], bracketed[2]
    elif entry.count(":") == 1:
        place, colon, number = entry.partition(":")
        rest = colon + number
    else:
        place, rest = entry, ""
    if not rest:
        return place, None
    if not (rest[0] == ":" and _NUMBER.fullmatch(rest[1:]) and 0 < int(rest[1:]) < 65_536):
        raise _odd(entry)
    return place, int(rest[1:])


def _odd(entry: str) -> ValueError:
    return ValueError(f"takes hosts, addresses and networks, with or without a port; not {entry[:80]!r}")


ANYWHERE = Exceptions.parse("0.0.0.0/0 ::/0")
"""For a guard that only keeps credentials where they belong."""
