"""Signatures as receivers check them."""

from __future__ import annotations

import base64

import pytest

from reactor.webhooks.signing import key_of, signature

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'


def test_the_example_of_the_specification() -> None:
    told = signature(key_of(SECRET), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, BODY)
    assert told == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_is_base64_behind_its_prefix_else_a_key_as_it_stands() -> None:
    assert key_of(SECRET) == base64.b64decode(SECRET.removeprefix("whsec_"))
    assert key_of("just a long secret, ü") == "just a long secret, ü".encode()
    with pytest.raises(ValueError, match="base64"):
        key_of("whsec_no base64")


def test_everything_is_signed() -> None:
    told = {
        signature(key, id, at, body) for key in (b"a", b"b") for id in "cd" for at in (1, 2) for body in (b"", b"e")
    }
    assert len(told) == 16
