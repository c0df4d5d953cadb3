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
        ("attachment; filename*=UTF-8%e2%82%ac.txt; filename=EURO.txt", "€.txt"),
        ("attachment; filename*=UTF-8''\"a.txt\"", "a.txt"),
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


@pytest.mark.parametrize(
    ("name", "charset"), [("Björk ’s œuvre.zip", "cp1252"), ("中文资料.zip", "gb18030"), ("Война и мир.epub", "cp1251")]
)
def test_undeclared_charsets(name: str, charset: str) -> None:
    header = b'attachment; filename="' + name.encode(charset) + b'"'
    assert parse_disposition(header) == Disposition(True, name)


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
        (None, "http://h/%FF.bin", None, "ÿ.bin"),
        (None, "http://h/%81.bin", None, "%81.bin"),
        (None, "http://h/", None, "download"),
        (None, "http://h/..", None, "download"),
        ("..", "http://h/b.bin", None, "b.bin"),
        (None, "http://h/get", "video/mp4", "get.mp4"),
        (None, "http://h/", "application/pdf", "download.pdf"),
        (None, "http://h/get", "application/octet-stream", "get"),
        (None, "http://h/get", "x/nonsense", "get"),
        ("a.tar.gz", "http://h/get", "video/mp4", "a.tar.gz"),
        (None, "http://h/download.php?id=7", "video/mp4", "download.mp4"),
        (None, "http://h/image.aspx", "image/png", "image.png"),
        ("export.cgi", "http://h/get", "text/csv", "export.csv"),
        (None, "http://h/index.php", "text/html", "index.php"),
        (None, "http://h/download.php", "application/octet-stream", "download.php"),
        (None, "http://h/get/Movie.2020.1080p", "video/webm", "Movie.2020.1080p.webm"),
        ("Show.S01E02", "http://h/get", "video/x-matroska", "Show.S01E02.mkv"),
        ("Film.2020.x264", "http://h/get", "video/mp4", "Film.2020.x264.mp4"),
        ("Film.HEVC", "http://h/get", "video/mp4", "Film.HEVC.mp4"),
        (None, "http://h/release/v1.2", "application/zip", "v1.2.zip"),
        ("a.ts", "http://h/get", "video/mp2t", "a.ts"),
        ("weights.ckpt", "http://h/get", "application/zip", "weights.ckpt"),
        ("Setup.EXE", "http://h/get", "application/zip", "Setup.EXE"),
        (None, "http://h/f", "application/x-7z-compressed", "f.7z"),
        (None, "http://h/f", "audio/mp3", "f.mp3"),
        (None, "http://h/f", "image/jpg", "f.jpg"),
        (None, "http://h/f", "video/mp2t", "f.ts"),
        (None, "http://h/get?file=Holiday%20Film.mkv", "application/octet-stream", "Holiday Film.mkv"),
        (None, "http://h/get?id=1&FileName=..%2Fa%2Fb.pdf", None, "b.pdf"),
        (None, "http://h/get?file=%B5%E7%D3%B0.mkv", None, "电影.mkv"),
        (None, "http://h/get?file=17", None, "get"),
        (None, "http://h/get?called=x.y", None, "get"),
        ("a.txt", "http://h/get?file=b.mkv", None, "a.txt"),
    ],
)
def test_the_chosen_name(filename: str | None, url: str, content_type: str | None, name: str) -> None:
    assert choose_name(Disposition(filename=filename), url, content_type) == name


@pytest.mark.parametrize(
    ("sent", "url", "name"),
    [
        ("http://h/files/Film.mkv", "http://cdn/o/9f8e7d6c?sig=1", "Film.mkv"),
        ("http://h/files/Film.mkv", "http://cdn/o/9f8e7d6c?file=other.mkv", "Film.mkv"),
        ("http://h/get?file=Film.mkv", "http://cdn/o/9f8e7d6c", "Film.mkv"),
        ("http://h/download.php?id=7", "http://cdn/Film.mkv", "Film.mkv"),
        ("http://h/s/AbC", "http://cdn/9f8e7d6c", "9f8e7d6c"),
        ("http://h/s/AbC", "http://cdn/", "AbC"),
        ("http://h/page.html", "http://cdn/Film.mkv", "Film.mkv"),
        ("http://h/app-1.2.deb", "http://cdn/9f8e7d6c", "app-1.2.deb"),
        ("http://h/%E7%94%B5%E5%BD%B1.mkv", "http://cdn/1", "电影.mkv"),
    ],
)
def test_the_link_that_was_sent_names_the_file_where_the_server_does_not(sent: str, url: str, name: str) -> None:
    assert choose_name(Disposition(), url, None, sent=sent) == name
    assert choose_name(Disposition(filename="a.bin"), url, None, sent=sent) == "a.bin"


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
