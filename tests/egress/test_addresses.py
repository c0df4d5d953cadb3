"""Which addresses are on the internet, and what the exceptions say."""

from __future__ import annotations

import ipaddress
from ipaddress import IPv6Network, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.egress.addresses import ANYWHERE, Exceptions, is_public, nat64_prefixes, plain

REFUSED = """
    0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.1.2.3 127.255.255.255 169.254.0.1
    169.254.169.254 169.254.170.2 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.192 192.0.2.1 192.88.99.1 192.168.0.1
    192.168.255.255 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.255 240.0.0.1
    255.255.255.255 168.63.129.16
    :: ::1 ::2 ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0:127.0.0.1
    64:ff9b::127.0.0.1 64:ff9b::a9fe:a9fe 64:ff9b:1::127.0.0.1 64:ff9b:1::8.8.8.8 100::1 2001::1 2001:0:4136:e378::1
    2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1:: 2002:a00:1::1 2002:a9fe:a9fe:: 3fff::1 4000::1 5f00::1
    fc00::1 fd00::1 fd00:ec2::254 fe80::1 fe80::1%lo fec0::1 feff::1 ff02::1 ff0e::1"""
ALLOWED = """
    1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255
    172.15.255.255 172.32.0.0 192.167.255.255 192.169.0.0 223.255.255.255 ::ffff:8.8.8.8 64:ff9b::8.8.8.8 2002:808:808::
    2001:4860:4860::8888 2606:4700:4700::1111 2a00:1450:4001::1"""


@pytest.mark.fault(36)
@pytest.mark.parametrize("text", REFUSED.split())
def test_not_on_the_internet(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", ALLOWED.split())
def test_on_the_internet(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


@pytest.mark.fault(36)
@given(st.ip_addresses(v=4))
def test_a_wrapping_changes_nothing(inner: ipaddress.IPv4Address) -> None:
    number = int(inner)
    for wrapped in (0xFFFF << 32 | number, 0x64_FF9B << 96 | number, 0x2002 << 112 | number << 80 | 1):
        assert is_public(ipaddress.IPv6Address(wrapped)) == is_public(inner)


@given(st.ip_addresses())
def test_nothing_that_python_calls_private_is_public(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    odd = address.is_multicast or address.is_reserved or address.is_link_local or not address.is_global
    wraps = plain(address) != address or address in ipaddress.ip_network("64:ff9b::/96")
    assert not (is_public(address) and odd and not wraps)


@pytest.mark.parametrize(
    ("text", "address", "port", "held"),
    [
        ("192.168.1.0/24", "192.168.1.7", 80, True),
        ("192.168.1.7/24", "192.168.1.200", 80, True),
        ("192.168.1.0/24", "192.168.2.7", 80, False),
        ("192.168.1.0/24", "::ffff:192.168.1.7", 80, True),
        ("192.168.1.0/24:8080", "192.168.1.7", 8080, True),
        ("192.168.1.0/24:8080", "192.168.1.7", 80, False),
        ("127.0.0.1:9 127.0.0.1:10", "127.0.0.1", 10, True),
        ("[fd00::/8]:80", "fd12::1", 80, True),
        ("[fd00::/8]:80", "fd12::1", 81, False),
        ("fd00::/8", "fd12::1", 81, True),
        ("::1", "::1", 81, True),
        ("[::1]", "::1", 81, True),
        ("nas.lan", "192.168.1.7", 80, False),
        ("", "127.0.0.1", 80, False),
    ],
)
def test_addresses_that_are_let_through(text: str, address: str, port: int, held: bool) -> None:
    assert Exceptions.parse(text).hold(ipaddress.ip_address(address), port) is held


@pytest.mark.parametrize(
    ("text", "host", "port", "named"),
    [
        ("nas.lan", "nas.lan", 80, True),
        ("NAS.lan.", "nas.LAN", 80, True),
        ("nas.lan", "NAS.lan.", 80, True),
        ("nas.lan:81", "nas.lan", 80, False),
        ("nas.lan:81, nas.lan:80", "nas.lan", 80, True),
        ("nas.lan", "x.nas.lan", 80, False),
        ("lan", "nas.lan", 80, False),
        ("under_score", "under_score", 80, True),
    ],
)
def test_names_that_are_let_through(text: str, host: str, port: int, named: bool) -> None:
    assert Exceptions.parse(text).name(host, port) is named


NONE = (
    "nas.lan: nas.lan:x nas.lan:0 nas.lan:65536 [::1 [::1]x [::1]: 10.0.0.0/33 10.0.0 1 http://nas.lan nas.lan/films"
    " *.lan a@b 300.1.1.1 fd00::/129"
)


@pytest.mark.parametrize("text", NONE.split())
def test_what_is_no_exception(text: str) -> None:
    with pytest.raises(ValueError, match=r"takes hosts, addresses and networks, .*; not "):
        Exceptions.parse(f"10.0.0.0/8, {text}")


@given(st.ip_addresses(), st.integers(1, 65_535))
def test_anywhere_is_anywhere(address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> None:
    assert ANYWHERE.hold(address, port)


# RFC 6052, section 2.4: 192.0.2.33 behind prefixes of each length; here with the address that tells of them.
PREFIXES = [
    ("2001:db8::/32", "2001:db8:c000:aa::", "2001:db8:a9fe:a9fe::", "2001:db8:101:101::"),
    ("2001:db8:100::/40", "2001:db8:1c0:0:aa::", "2001:db8:1a9:fea9:fe::", "2001:db8:101:101:1::"),
    ("2001:db8:122::/48", "2001:db8:122:c000:0:aa00::", "2001:db8:122:a9fe:a9:fe00::", "2001:db8:122:101:1:100::"),
    ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:aa::", "2001:db8:122:3a9:fe:a9fe::", "2001:db8:122:301:1:101::"),
    (
        "2001:db8:122:344::/64",
        "2001:db8:122:344:c0:0:aa00:0",
        "2001:db8:122:344:a9:fea9:fe00:0",
        "2001:db8:122:344:1:101:100:0",
    ),
    ("2001:db8:122:344::/96", "2001:db8:122:344::c000:ab", "2001:db8:122:344::a9fe:a9fe", "2001:db8:122:344::101:101"),
]


@pytest.mark.parametrize(("prefix", "tells", "private", "public"), PREFIXES)
def test_a_nat64_with_a_prefix_of_its_own(prefix: str, tells: str, private: str, public: str) -> None:
    """The examples' prefixes are for documentation: moved to where an operator's are."""
    moved = [text.replace("2001:db8", "2a00:db8") for text in (prefix, tells, private, public)]
    known = nat64_prefixes([ip_address("192.0.0.170"), ip_address(moved[1])])
    assert IPv6Network(moved[0]) in known
    assert is_public(ip_address(moved[2]))
    assert not is_public(ip_address(moved[2]), known)
    assert is_public(ip_address(moved[3]), known)
    assert is_public(ip_address("2606:4700::1111"), known)
    assert not is_public(ip_address(public), nat64_prefixes([ip_address(tells)])), "it allows nothing"


def test_no_nat64() -> None:
    assert nat64_prefixes([ip_address("192.0.0.170"), ip_address("2606:4700::1111")]) == frozenset()
