"""Which validators count, and for what."""

from __future__ import annotations

import base64

import pytest

from reactor.net.validators import VALIDATOR_MAX, checksum_of, validator_of

DATE = "Sat, 01 Nov 2025 00:00:00 GMT"
ODD = "Sat, 01 Nov 99999999999999999999 00:00:00 GMT"
SAME, LATER = DATE, "Sat, 01 Nov 2025 00:00:01 GMT"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, (None, False)),
        ({"etag": '"1"'}, ('"1"', True)),
        ({"etag": '""'}, ('""', True)),
        ({"etag": '"1"', "last-modified": DATE}, ('"1"', True)),
        ({"etag": 'W/"1"'}, ('W/"1"', False)),
        ({"etag": "unquoted"}, ("unquoted", False)),
        # Beside any ETag a date may not stand in If-Range.
        ({"etag": 'W/"1"', "last-modified": DATE, "date": LATER}, (DATE, False)),
        ({"last-modified": DATE, "date": LATER}, (DATE, True)),
        ({"last-modified": DATE}, (DATE, True)),
        # Within this second it may be changed once more.
        ({"last-modified": DATE, "date": SAME}, (DATE, False)),
        ({"last-modified": "Fri, 31 Dec 9999 23:59:59 GMT"}, ("Fri, 31 Dec 9999 23:59:59 GMT", False)),
        ({"last-modified": "yesterday"}, ("yesterday", False)),
        ({"last-modified": ODD, "date": LATER}, (ODD, False)),
        ({"last-modified": DATE, "date": "Sat, 99 Nov 2025 00:00:00 GMT"}, (DATE, True)),
        # What would not stand in a line as it came.
        ({"etag": '"é"'}, (None, False)),
        ({"etag": '"a\tb"', "last-modified": DATE, "date": LATER}, (DATE, True)),
        ({"etag": f'"{"x" * VALIDATOR_MAX}"'}, (None, False)),
        ({"etag": '"a"b"'}, ('"a"b"', False)),
    ],
)
def test_validators(headers: dict[str, str], expected: tuple[str | None, bool]) -> None:
    assert validator_of(headers) == expected


SHA = base64.b64encode(bytes(range(32))).decode()
SHA_HEX = "sha-256=" + bytes(range(32)).hex()


@pytest.mark.parametrize(
    ("headers", "checksum"),
    [
        ({"repr-digest": f"sha-256=:{SHA}:"}, SHA_HEX),
        ({"repr-digest": f"md5=:AAAA:, sha-256=:{SHA}:"}, SHA_HEX),
        ({"digest": f"SHA-256={SHA}"}, SHA_HEX),
        ({"digest": f"md5=AAAA,sha-256={SHA};q=1"}, SHA_HEX),
        ({"digest": "SHA=" + base64.b64encode(bytes(20)).decode()}, "sha-1=" + "00" * 20),
        ({"repr-digest": f"sha-256=:{SHA}:", "content-encoding": "gzip"}, None),
        ({"digest": "sha-256=AAAA"}, None),
        ({"repr-digest": "sha-256=:====:"}, None),
        ({"digest": 'realm="x"'}, None),
        ({}, None),
    ],
)
def test_the_checksum_that_a_server_tells(headers: dict[str, str], checksum: str | None) -> None:
    assert checksum_of(headers) == checksum
