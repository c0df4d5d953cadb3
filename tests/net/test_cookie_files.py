"""What people bring as cookies: cookies.txt and JSON exports, good ones and bad ones."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.errors import CookiesError
from reactor.net.cookie_files import (
    KEPT_MAX,
    TEXT_BYTES_MAX,
    JarCookie,
    netscape,
    read_cookies,
    restored,
    stored,
)
from reactor.net.jar import DOMAIN_COOKIES_MAX, without
from reactor.plan import COOKIE_BYTES_MAX

NOW = 1_800_000_000.0
LATER = NOW + 1000
FILE = (
    "# Netscape HTTP Cookie File\r\n"
    "# a comment\r\n"
    "\r\n"
    f".site.example\tTRUE\t/\tTRUE\t{LATER:.0f}\tsid\tS-1\r\n"
    "#HttpOnly_www.site.example\tFALSE\t/in\tFALSE\t0\thid\t\r\n"
    f".site.example\tTRUE\t/\tFALSE\t{NOW - 1:.0f}\told\t1\r\n"
)
SID = JarCookie(name="sid", value="S-1", domain="site.example", secure=True, host_only=False, expires=LATER)
HID = JarCookie(name="hid", value="", domain="www.site.example", path="/in", http_only=True)


def entry(**more: Any) -> dict[str, Any]:
    return {"name": "a", "value": "1", "domain": "site.example"} | more


def of(*entries: dict[str, Any]) -> str:
    return json.dumps(entries)


def test_a_cookies_txt_with_the_ends_of_windows() -> None:
    found = read_cookies(FILE, NOW)
    assert (found.cookies, found.left_out) == ((SID, HID), 1)


def test_a_chat_makes_spaces_of_tabs_and_a_program_a_mark_before() -> None:
    assert read_cookies("\ufeff" + FILE.replace("\t", "  "), NOW).cookies == (SID, HID)


EXTENSION = of(
    entry(name="sid", value="S-1", domain=".site.example", hostOnly=False, secure=True, expirationDate=LATER, id=1),
    entry(name="hid", value="", domain="www.site.example", path="/in", httpOnly=True, session=True, sameSite=None),
    entry(name="old", value="1", expirationDate=NOW - 0.5, hostOnly=True),
)
BROWSER_STATE = json.dumps({
    "cookies": [
        entry(name="sid", value="S-1", domain=".site.example", secure=True, expires=LATER, httpOnly=False, path="/"),
        entry(name="hid", value="", domain="www.site.example", path="/in", httpOnly=True, expires=-1),
        entry(name="old", value="1", expires=NOW - 0.5),
    ],
    "origins": [],
})  # fmt: skip


@pytest.mark.parametrize("text", [EXTENSION, BROWSER_STATE], ids=["extension", "state"])
def test_json_of_extensions(text: str) -> None:
    found = read_cookies(text, NOW)
    assert (found.cookies, found.left_out) == ((SID, HID), 1)


LINE = "site.example\tFALSE\t/\tFALSE\t0\tname\tSECRET"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "There are no cookies in it."),
        ("# only a comment", "There are no cookies in it."),
        ("[]", "There are no cookies in it."),
        ("a=SECRET; b=2", "Line 1 of the cookies does not have the format of a cookies.txt."),
        (
            f"{LINE}\nsite.example\tFALSE\t/\tFALSE\t0",
            "Line 2 of the cookies does not have the format of a cookies.txt.",
        ),
        (f"{LINE}\0", "Line 1 of the cookies has a control character in it."),
        (f"{LINE}\rx", "Line 1 of the cookies has a control character in it."),
        (of(entry(value="SECRET\r\nX: 1")), "Entry 1 of the cookies has a control character in it."),
        (of(entry(), entry(name="a\0")), "Entry 2 of the cookies has a control character in it."),
        (of({"name": "SECRET"}), "Entry 1 of the cookies has no name, value and domain."),
        (of(entry(value=7)), "Entry 1 of the cookies has no name, value and domain."),
        ('[{"name": "SECRET"', "The cookies are not valid JSON, or cut off."),
        ('[{"a": NaN}]', "The cookies are not valid JSON, or cut off."),
        ("[" * 100_000, "The cookies are not valid JSON, or cut off."),
        ("[" + "1" * 10_000 + "]", "The cookies are not valid JSON, or cut off."),
        ('{"url": "SECRET"}', "The JSON is not a list of cookies."),
        ("x" * (TEXT_BYTES_MAX + 1), "The cookies are too long: 1024 KiB are read."),
        ("ü" * (TEXT_BYTES_MAX - 1), "The cookies are too long: 1024 KiB are read."),
        (of(entry(expires=1)), "All of these cookies have expired, or are invalid."),
        (
            "\n".join(f"s{n}.example\tFALSE\t/\tFALSE\t0\tn\tv" for n in range(KEPT_MAX + 1)),
            "There are more than 3000 cookies in it.",
        ),
    ],
)
def test_what_is_refused_is_told_without_a_word_of_it(text: str, sentence: str) -> None:
    with pytest.raises(CookiesError) as refused:
        read_cookies(text, NOW)
    assert refused.value.message == sentence
    assert "SECRET" not in str(refused.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"value": "x" * COOKIE_BYTES_MAX},
        {"value": "1; admin=1"},
        {"name": "a=b"},
        {"name": ""},
        {"domain": ".com"},
        {"domain": "site.example/x"},
        {"domain": "a" * 300},
        {"path": "/" + "x" * 2000},
        {"path": "/a;b"},
    ],
)
def test_what_no_browser_would_keep_is_left_out(fields: dict[str, str]) -> None:
    found = read_cookies(of(entry(**fields), entry(name="good")), NOW)
    assert ([each.name for each in found.cookies], found.left_out) == (["good"], 1)


def test_a_domain_has_as_many_as_in_a_browser_and_a_name_once() -> None:
    many = [entry(name=f"n{n}") for n in range(DOMAIN_COOKIES_MAX + 20)]
    assert len(read_cookies(of(*many), NOW).cookies) == DOMAIN_COOKIES_MAX
    assert [each.value for each in read_cookies(of(entry(), entry(value="2")), NOW).cookies] == ["2"]


def test_an_address_has_nothing_below_it() -> None:
    four, six, home = read_cookies(
        of(*(entry(domain=host) for host in (".127.0.0.1", "[::1]", "localhost"))), NOW
    ).cookies
    assert [(each.domain, each.host_only) for each in (four, six, home)] == [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
    ]


def test_as_it_is_written_for_yt_dlp_it_is_read_by_it_and_by_us() -> None:
    code = """
import io, sys
from yt_dlp.cookies import YoutubeDLCookieJar
jar = YoutubeDLCookieJar(io.StringIO(sys.stdin.read()))
jar.load()
for url in ("https://www.site.example/in/x", "https://site.example/in", "http://site.example/", "https://other.example/"):
    print(jar.get_cookie_header(url))
"""
    text = netscape((SID, HID))
    done = subprocess.run([sys.executable, "-c", code], input=text, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["hid=; sid=S-1", "sid=S-1", "None", "None"]
    again = read_cookies(netscape((SID, HID)), time.time())
    assert again.cookies == (SID.model_copy(update={"expires": None}), HID)


def test_what_was_given_is_taken_out_of_what_was_found() -> None:
    renewed = SID.model_copy(update={"value": "S-2"})
    assert without((SID, HID, renewed), (HID, SID.model_copy(update={"expires": None}))) == (renewed,)


VALUES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=30)


@given(name=VALUES, value=VALUES, path=VALUES)
def test_whatever_is_kept_stays_one_cookie_of_one_line(name: str, value: str, path: str) -> None:
    try:
        found = read_cookies(of(entry(name=name, value=value, path=path)), NOW)
    except CookiesError:
        return
    (cookie,) = found.cookies
    assert (cookie.name, cookie.value) == (name, value)
    assert not set(f"{name}{value}{cookie.path}") & set("\r\n\0;\t")
    assert tuple(restored(json.loads(json.dumps(stored(found.cookies))))) == found.cookies
