"""Names out of Content-Disposition and URLs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.files.names import clean_name
from reactor.net.disposition import Disposition, choose_name, parse_disposition


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("attachment; filename=a.txt", "a.txt"),
        ('attachment; filename="a b; c.txt"', "a b; c.txt"),
        ('attachment; filename="a \\"b\\".txt"', 'a "b".txt'),
        ("attachment;FileName=a.txt;", "a.txt"),
        ("attachment; filename=a b.txt", "a b.txt"),
        ("filename=x.txt", "x.txt"),
        ("inline; filename=x.txt", "x.txt"),
        ("attachment; filename*=UTF-8''%e2%82%ac%20rates.txt", "€ rates.txt"),
        ("attachment; filename=\"EURO.txt\"; filename*=UTF-8''%e2%82%ac.txt", "€.txt"),
        ("attachment; filename*=UTF-8''%e2%82%ac.txt; filename=\"EURO.txt\"", "€.txt"),
        ("attachment; filename*=\"utf-8''%e2%82%ac.txt\"", "€.txt"),
        ("attachment; filename*=iso-8859-1'en'%A3%20rates.txt", "£ rates.txt"),
        ("attachment; filename*=nonsense''%C3%A9.txt", "é.txt"),
        ("attachment; filename*=UTF-8''%E9.txt", "é.txt"),
        ("attachment; filename*=UTF-8''a%2525.txt", "a%25.txt"),
        ('attachment; filename*0="long "; filename*1="name.txt"', "long name.txt"),
        ("attachment; filename=naïve.txt", "naïve.txt"),
        ('attachment; filename="=?UTF-8?B?4oKsLnR4dA==?="', "€.txt"),
        ('attachment; filename="=?nonsense?B?4oKsLnR4dA==?="', "=?nonsense?B?4oKsLnR4dA==?="),
        ("attachment; filename=%D0%B6%20x.txt", "ж x.txt"),
        ("attachment; filename=100%25.txt", "100%.txt"),
        ("attachment; filename=a%FFb.txt", "a%FFb.txt"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ('attachment; filename="C:\\\\x\\\\y.txt"', "y.txt"),
        ("attachment; filename*=UTF-8''..%2F..%2Fx", "x"),
        ("attachment", None),
        ('attachment; filename=""', None),
        ("attachment; filename=/", None),
        ("", None),
        (";;;=;*=;'", None),
        ('attachment; filename="report.pdf', "report.pdf"),
        ('attachment; filename = "a\\\\b;c.txt" ; size=3', "b;c.txt"),
        ("attachment; filename*=utf-8''a; filename*1*=b", "a"),
        ("attachment; filename*0*=utf-8''%e2%82; filename*1*=%ac; filename*2=.txt", "€.txt"),
        ("attachment; filename*1=b; filename*3=d", None),
        ("attachment; filename*0*=a; filename*0=b; filename*=''c.txt; filename=d", "c.txt"),
        ('attachment; filename="=?utf-8é?q?=e2?="', "=?utf-8é?q?=e2?="),
        ('attachment; filename="=?utf-8?q?=e2?="', "=?utf-8?q?=e2?="),
        ('attachment; filename="=?utf-8?q?a_=e2=82=ac?= =?utf-8?q?.txt?="', "a €.txt"),
        ("attachment; filename*=hex''6161.txt", "6161.txt"),
        ("attachment; filename*=utf-7''+2AA-.txt", "?.txt"),
    ],
)
def test_filenames(header: str, name: str | None) -> None:
    assert parse_disposition(header.encode()).filename == name


@pytest.mark.fault(41)
@pytest.mark.parametrize(
    "header",
    [
        b'attachment; filename="=?utf-8\xe9?q?=e2?="',
        b"attachment; filename*=utf-8''a; filename*1*=b",
        b"attachment; filename*0*=utf-8''a; filename*=b",
        b"attachment; filename*=\x00''a; filename==?\x00?b?=?=",
        b"attachment; filename*=undefined''a%ff",
        b'attachment; filename="=?utf-8?b?=?="',
        b'"' * 4096,
        b"attachment" + b";filename*0*=''" * 300,
    ],
)
def test_headers_that_email_parsers_break_at_raise_nothing(header: bytes) -> None:
    assert parse_disposition(header).attachment is header.startswith(b"attachment")


def test_raw_latin_1_and_attachments() -> None:
    assert parse_disposition('attachment; filename="é.txt"'.encode("latin-1")) == Disposition(True, "é.txt")
    assert not parse_disposition(b"inline; filename=attachment").attachment
    assert parse_disposition(b"ATTACHMENT").attachment
    assert parse_disposition(None) == Disposition()


@pytest.mark.parametrize(
    ("filename", "url", "content_type", "name"),
    [
        ("a.txt", "http://h/b.bin", None, "a.txt"),
        (None, "http://h/x/b%20c.bin?y=/z.txt", None, "b c.bin"),
        (None, "http://h/a%252Fb%2Fc", None, "a%2Fb_c"),
        (None, "http://h/%FF.bin", None, "\N{REPLACEMENT CHARACTER}.bin"),
        (None, "http://h/", None, "download"),
        (None, "http://h/..", None, "download"),
        ("..", "http://h/b.bin", None, "b.bin"),
        (None, "http://h/get", "video/mp4", "get.mp4"),
        (None, "http://h/", "application/pdf", "download.pdf"),
        (None, "http://h/get", "application/octet-stream", "get"),
        (None, "http://h/get", "x/nonsense", "get"),
        ("a.tar.gz", "http://h/get", "video/mp4", "a.tar.gz"),
    ],
)
def test_the_chosen_name(filename: str | None, url: str, content_type: str | None, name: str) -> None:
    assert choose_name(Disposition(filename=filename), url, content_type) == name


HEADERS = st.text(alphabet="atchmenfil*=;'\"\\%20?UTF-8é /.:\r\n\0", max_size=300)


@given(
    header=st.binary(max_size=300)
    | HEADERS.map(str.encode)
    | HEADERS.map(lambda text: f"attachment; filename{text}".encode())
)
def test_any_header_gives_a_clean_name(header: bytes) -> None:
    name = choose_name(parse_disposition(header), "http://h/", "video/mp4")
    assert name
    assert clean_name(name) == name
