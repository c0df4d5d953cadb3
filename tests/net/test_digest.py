"""Login by Digest: the examples of RFC 7616 and RFC 2617, and challenges as servers write them."""

from __future__ import annotations

import re

import pytest

from reactor.net.credentials import Credentials
from reactor.net.digest import digest_login

MUFASA = Credentials("Mufasa", "Circle of Life")
RFC_7616 = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)
RFC_2617 = (
    'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
    'opaque="5ccc069c403ebaf9f0171e9517f40e41"'
)


@pytest.mark.parametrize(
    ("challenge", "password", "target", "ours", "response"),
    [
        (
            *(RFC_7616.format("SHA-256"), "Circle of Life", "/dir/index.html"),
            *(
                "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ),
        ),
        (
            *(RFC_7616.format("MD5"), "Circle of Life", "/dir/index.html"),
            *("f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", "8ca523f5e9506fed4657c9700eebdbec"),
        ),
        (RFC_2617, "Circle Of Life", "/dir/index.html", "0a4f113b", "6629fae49393a05397450978507c4ef1"),
    ],
)
def test_the_examples_of_the_standards(
    monkeypatch: pytest.MonkeyPatch, challenge: str, password: str, target: str, ours: str, response: str
) -> None:
    monkeypatch.setattr("reactor.net.digest.secrets.token_hex", lambda _: ours)
    login = digest_login(challenge, Credentials("Mufasa", password))
    assert login is not None
    header = login.header("GET", target)
    assert f'response="{response}"' in header
    assert "nc=00000001" in header
    assert "nc=00000002" in login.header("GET", target), "no server sees a number twice"


@pytest.mark.parametrize(
    ("challenge", "sent"),
    [
        ('Digest realm="x", nonce="abc"', r'username="Mufasa", realm="x", nonce="abc", uri="/", response="\w{32}"'),
        ("digest nonce=abc,realm=x,qop=auth", r'.*response="\w{32}", cnonce="\w{16}", qop=auth, nc=00000001'),
        ('Basic realm="a, Digest b", Digest realm="x",nonce="n"', '.*realm="x", nonce="n".*'),
        ('Digest algorithm=X, nonce="1", Digest algorithm=MD5-sess, nonce="2"', '.*nonce="2".*cnonce=.*=MD5-sess'),
        ('Digest realm="x", nonce="n", algorithm=SHA-512-256', r'.*response="\w{64}".*'),
        (r'Digest realm="a \"b\"", nonce="n"', r'.*realm="a \\"b\\"".*'),
        ('Digest realm="x", nonce="n", stale=TRUE, Negotiate', '.*nonce="n".*'),
    ],
)
def test_challenges_as_servers_write_them(challenge: str, sent: str) -> None:
    login = digest_login(challenge, MUFASA)
    assert login is not None
    assert re.fullmatch(f"Digest {sent}", login.header("GET", "/"))


@pytest.mark.parametrize(
    "challenge",
    [
        "",
        'Basic realm="x"',
        "Digest",
        'Digest realm="x"',
        'Digest nonce="n", qop="auth-int"',
        "Digest nonce=n, algorithm=X",
    ],
)
def test_what_cannot_be_answered(challenge: str) -> None:
    assert digest_login(challenge, MUFASA) is None


def test_a_challenge_breaks_out_of_no_header() -> None:
    login = digest_login('Digest realm="x\r\ny", nonce="n\x00", opaque="a\\\\b"', Credentials("a\r\nb", "c"))
    assert login is not None
    assert login.header("GET", "/").isprintable()
