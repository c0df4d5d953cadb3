"""What aria2 is told about a fetch."""

from __future__ import annotations

import base64
import copy
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.aria2.options import TransferPolicy, addition
from reactor.errors import DownloadError
from reactor.net.jar import Jar
from reactor.plan import Cookie, Fetch, Header, Torrent

GID = "2089b05ecca3d829"
ANY = ("Accept: */*", "Accept-Language: en-US,en;q=0.9")
NONE = "Cookie:"
"""An empty one, which keeps aria2 from looking into its jar."""
URL = "https://one.example/a/file"


def options_of(
    fetch: Fetch, policy: TransferPolicy | None = None, *, cookies: Iterable[Cookie] = (), **more: Any
) -> dict[str, Any]:
    method = addition(fetch, gid=GID, directory="/staging", policy=policy or TransferPolicy(), jar=Jar(cookies), **more)
    options = method.params[-1]
    assert isinstance(options, dict)
    return options


def urls_of(fetch: Fetch, *, cookies: Iterable[Cookie] = (), headers: tuple[Header, ...] = ()) -> list[str]:
    method = addition(fetch, gid=GID, directory=None, policy=TransferPolicy(), headers=headers, jar=Jar(cookies))
    urls = method.params[0]
    assert isinstance(urls, list)
    return urls


def fetch(*urls: str, **more: Any) -> Fetch:
    return Fetch(**{"urls": urls or (URL,), "name": "file.bin", **more})


def spoilt(fetch: Fetch, **fields: Any) -> Fetch:
    """As no validation would let it pass."""
    spoilt = copy.copy(fetch)
    for name, value in fields.items():
        object.__setattr__(spoilt, name, value)
    return spoilt


class TestFiles:
    def test_every_value_is_a_string_or_a_list_of_strings(self) -> None:
        policy = TransferPolicy(user_agent="me", seed_ratio=1.5, timeout_s=0.2)
        for options in (
            options_of(fetch(), policy, headers=(Header(name="A", value="b"),)),
            options_of(fetch("magnet:?xt=urn:btih:0", torrent=Torrent()), policy),
        ):
            for name, value in options.items():
                assert isinstance(value, str) or all(isinstance(line, str) for line in value), name

    def test_where_and_under_which_name_and_gid(self) -> None:
        options = options_of(fetch())
        assert (options["dir"], options["out"], options["gid"]) == ("/staging", "file.bin", GID)
        method = addition(fetch(), gid=GID, directory=None, policy=TransferPolicy())
        assert "dir" not in method.params[-1], "a remote aria2 uses its own folder"

    def test_the_policy(self) -> None:
        policy = TransferPolicy(connections_per_server=7, user_agent="me", timeout_s=9.6, tries=2)
        options = options_of(fetch(), policy)
        assert (options["split"], options["max-connection-per-server"]) == ("7", "7")
        assert (options["user-agent"], options["timeout"], options["max-tries"]) == ("me", "10", "2")
        assert int(options["retry-wait"]) >= 1
        assert "user-agent" not in options_of(fetch())

    def test_what_goes_before_all_that_wait(self) -> None:
        for one in (fetch(), fetch("magnet:?xt=urn:btih:0", torrent=Torrent()), fetch(torrent=Torrent(metainfo=b"d"))):
            plain, first = (
                addition(one, gid=GID, directory=None, policy=TransferPolicy(), first=first) for first in (False, True)
            )
            assert first.params == (*plain.params, 0)

    def test_a_part_is_asked_for_under_a_strong_validator_only(self) -> None:
        condition = 'If-Range: "1"'
        assert condition in options_of(fetch(validator='"1"', strong=True))["header"]
        mirrors = (URL, "https://two.example/file")
        for other in (fetch(validator='"1"'), fetch(*mirrors, validator='"1"', strong=True), fetch(strong=True)):
            assert not any(line.startswith("If-Range") for line in options_of(other)["header"])

    def test_from_zero_and_by_one_connection(self) -> None:
        plain, other = options_of(fetch()), options_of(fetch(), from_zero=True, single=True)
        assert (plain["remove-control-file"], other["remove-control-file"]) == ("false", "true")
        assert (plain["split"], other["split"], other["max-connection-per-server"]) == ("4", "1", "1")

    def test_a_limit_of_its_speed(self) -> None:
        assert "max-download-limit" not in options_of(fetch()), "its configuration says it"
        for one in (fetch(), fetch(torrent=Torrent(metainfo=b"d"))):
            assert options_of(one, speed=5120)["max-download-limit"] == "5120"

    def test_a_login_by_digest_is_for_one_request(self) -> None:
        login = Header(name="Authorization", value='Digest username="a"')
        assert options_of(fetch(), headers=(login,))["split"] == "1"
        assert options_of(fetch(), headers=(login.model_copy(update={"value": "Basic eDp5"}),))["split"] == "4"

    def test_ftp_is_asked_by_one_connection(self) -> None:
        assert options_of(fetch("ftp://one.example/file"))["split"] == "1"

    def test_a_checksum(self) -> None:
        assert options_of(fetch(checksum="sha-256=00ff"))["checksum"] == "sha-256=00ff"
        assert "checksum" not in options_of(fetch())

    def test_further_options_win(self) -> None:
        assert options_of(fetch(), extra={"all-proxy": "http://127.0.0.1:1", "split": "1"})["split"] == "1"

    def test_a_part_of_a_file_is_not_fetched(self) -> None:
        with pytest.raises(DownloadError) as caught:
            options_of(fetch(byte_range=(0, 9)))
        assert (caught.value.code, caught.value.retryable) == ("unsupported", False)

    @pytest.mark.parametrize(
        "url", ["file:///etc/passwd", "data:,x", "javascript:x", "magnet:?xt=x", "//host/x", "http://", "x", "",
                "http://[::1/", "http://h:port/"]
    )  # fmt: skip
    def test_urls_that_aria2_is_not_given(self, url: str) -> None:
        with pytest.raises(DownloadError) as caught:
            options_of(fetch(url))
        assert caught.value.code == "unsupported"

    def test_no_url_at_all(self) -> None:
        with pytest.raises(DownloadError):
            options_of(Fetch(name="x"))

    @pytest.mark.parametrize("gid", ["", "0" * 16, "xyz", "2089B05ECCA3D829", "2089b05ecca3d8290"])
    def test_a_gid_that_is_none(self, gid: str) -> None:
        with pytest.raises(ValueError, match="16 hex digits"):
            addition(fetch(), gid=gid, directory=None, policy=TransferPolicy())


class TestUntrustedText:
    """The models refuse most of it; what was built around them is refused here."""

    @pytest.mark.fault(41)
    @pytest.mark.parametrize("bad", ["a\rb", "a\nb", "a\0b", "\r\nX-Evil: 1", "\ud800"])
    @pytest.mark.parametrize("where", ["url", "header", "header name", "cookie", "cookie header", "folder", "name"])
    def test_nothing_breaks_out_of_its_line(self, bad: str, where: str) -> None:
        header = Header.model_construct(name="A", value="b")
        cookie = Cookie(name="a", value="b", domain="one.example")
        broken: dict[str, dict[str, Any]] = {
            "url": {"urls": (URL + bad,)},
            "header": {"headers": (header.model_copy(update={"value": bad}),)},
            "header name": {"headers": (header.model_copy(update={"name": bad}),)},
            "cookie": {"cookies": (cookie.model_copy(update={"value": bad}),)},
            "cookie header": {"headers": (header.model_copy(update={"name": "cookie", "value": bad}),)},
            "folder": {},
            "name": {"name": bad},
        }
        sent: dict[str, Any] = {"headers": (), "cookies": (), **broken[where]}
        headers, jar = sent.pop("headers"), Jar(sent.pop("cookies"))
        wanted = spoilt(fetch(), **sent)
        folder = bad if where == "folder" else "/staging"
        with pytest.raises(DownloadError):
            addition(wanted, gid=GID, directory=folder, policy=TransferPolicy(), headers=headers, jar=jar)

    @pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/etc/passwd", "a\\b", "a\tb", "ü" * 128])
    def test_only_a_base_name_is_a_name(self, name: str) -> None:
        with pytest.raises(DownloadError):
            options_of(spoilt(fetch(), name=name))

    @pytest.mark.fault(41)
    @given(st.text(max_size=50))
    def test_header_lines_stay_lines(self, value: str) -> None:
        header = Header.model_construct(name="X-Any", value=value)
        try:
            lines = options_of(fetch(), headers=(header,))["header"]
        except DownloadError:
            return
        assert lines == [f"X-Any: {value}", *ANY, NONE]
        assert not any(c in lines[0] for c in "\r\n\0")


class TestHeaders:
    def test_they_are_sent_as_they_are(self) -> None:
        headers = (Header(name="Referer", value="https://p.example/"), Header(name="X-A", value="1"))
        assert options_of(fetch(), headers=headers)["header"] == ["Referer: https://p.example/", "X-A: 1", *ANY, NONE]

    def test_metalinks_are_not_asked_for(self) -> None:
        assert options_of(fetch())["header"] == [*ANY, NONE]
        headers = (Header(name="accept", value="video/*"),)
        assert options_of(fetch(), headers=headers)["header"] == ["accept: video/*", ANY[1], NONE]

    @pytest.mark.parametrize("name", ["Range", "range", "Accept-Encoding", "Host", "If-Range", "Transfer-Encoding"])
    def test_what_would_change_the_bytes_is_left_out(self, name: str) -> None:
        assert options_of(fetch(), headers=(Header(name=name, value="bytes=0-"),))["header"] == [*ANY, NONE]

    @pytest.mark.parametrize(
        ("cookie", "sent"),
        [
            ({"domain": "one.example"}, True),
            ({"domain": "ONE.example"}, True),
            ({"domain": ".one.example", "host_only": False}, True),
            ({"domain": "example", "host_only": False}, True),
            ({"domain": "example"}, False),
            ({"domain": "two.example", "host_only": False}, False),
            ({"domain": "e.example", "host_only": False}, False),
            ({"domain": "www.one.example"}, False),
            ({"domain": "one.example", "path": "/a"}, True),
            ({"domain": "one.example", "path": "/a/"}, True),
            ({"domain": "one.example", "path": "/a/file"}, True),
            ({"domain": "one.example", "path": "/a/fil"}, False),
            ({"domain": "one.example", "path": "/b"}, False),
            ({"domain": "one.example", "secure": True}, True),
        ],
    )
    def test_a_cookie_goes_to_its_own_host_only(self, cookie: dict[str, Any], sent: bool) -> None:
        options = options_of(fetch(), cookies=(Cookie(name="a", value="b", **cookie),))
        assert options["header"] == ([*ANY, "Cookie: a=b"] if sent else [*ANY, NONE])

    def test_a_secure_cookie_needs_https(self) -> None:
        cookies = (Cookie(name="a", value="b", domain="one.example", secure=True),)
        assert options_of(fetch("http://one.example/"), cookies=cookies)["header"] == [*ANY, NONE]

    def test_an_address_has_nothing_below_it(self) -> None:
        cookies = (Cookie(name="a", value="b", domain="0.0.1", host_only=False),)
        assert options_of(fetch("http://127.0.0.1/"), cookies=cookies)["header"] == [*ANY, NONE]

    def test_all_cookies_stand_in_one_line(self) -> None:
        cookies = tuple(Cookie(name=name, value="1", domain="one.example") for name in "ab")
        headers = (Header(name="cookie", value="c=1"), Header(name="X-A", value="1"))
        assert options_of(fetch(), cookies=cookies, headers=headers)["header"] == [
            "X-A: 1",
            *ANY,
            "Cookie: c=1; a=1; b=1",
        ]


class TestMirrors:
    mirrors = ("https://one.example/f", "https://two.example/f", "https://one.example:8443/f", "https://one.example/g")

    def test_all_are_given_best_first(self) -> None:
        assert urls_of(fetch(*self.mirrors)) == list(self.mirrors)
        assert options_of(fetch(*self.mirrors))["uri-selector"] == "inorder"

    @pytest.mark.parametrize(
        "secret",
        [
            {"headers": (Header(name="authorization", value="Basic x"),)},
            {"headers": (Header(name="Cookie", value="a=b"),)},
            {"cookies": (Cookie(name="a", value="b", domain="one.example"),)},
        ],
    )
    def test_credentials_keep_to_one_server(self, secret: dict[str, Any]) -> None:
        assert urls_of(fetch(*self.mirrors), **secret) == ["https://one.example/f", "https://one.example/g"]

    def test_a_cookie_for_another_mirror_is_not_sent(self) -> None:
        wanted, cookies = fetch(*self.mirrors), (Cookie(name="a", value="b", domain="two.example"),)
        assert options_of(wanted, cookies=cookies)["header"] == [*ANY, NONE]
        assert urls_of(wanted, cookies=cookies) == list(self.mirrors)


class TestTorrents:
    magnet = "magnet:?xt=urn:btih:0123456789012345678901234567890123456789"

    def test_a_magnet_link(self) -> None:
        method = addition(fetch(self.magnet, torrent=Torrent()), gid=GID, directory="/s", policy=TransferPolicy())
        assert (method.name, method.params[0]) == ("aria2.addUri", [self.magnet])
        assert method.params[1]["bt-save-metadata"] == method.params[1]["bt-load-saved-metadata"] == "true"
        assert "out" not in method.params[1]

    def test_a_torrent_file_with_web_seeds(self) -> None:
        wanted = fetch("http://w.example/", torrent=Torrent(metainfo=b"d4:infoe"))
        method = addition(wanted, gid=GID, directory="/s", policy=TransferPolicy())
        encoded, web_seeds, options = method.params
        assert (method.name, base64.b64decode(encoded), web_seeds) == (
            "aria2.addTorrent",
            b"d4:infoe",
            ["http://w.example/"],
        )
        assert (options["gid"], options["dir"], options["check-integrity"]) == (GID, "/s", "true")

    def test_headers_and_cookies_are_not_for_peers(self) -> None:
        cookies = (Cookie(name="a", value="b", domain="one.example"),)
        wanted, headers = fetch(self.magnet, torrent=Torrent()), (Header(name="A", value="b"),)
        assert options_of(wanted, headers=headers, cookies=cookies)["header"] == [NONE]

    def test_seeding(self) -> None:
        wanted = fetch(self.magnet, torrent=Torrent())
        assert options_of(wanted)["seed-time"] == "0"
        options = options_of(wanted, TransferPolicy(seed_ratio=1.5))
        assert (options["seed-ratio"], options["seed-time"]) == ("1.500", "525600")

    @pytest.mark.parametrize("urls", [(), ("http://x.example/",), (magnet, magnet)])
    def test_what_is_no_magnet_link(self, urls: tuple[str, ...]) -> None:
        with pytest.raises(DownloadError, match="no magnet link"):
            options_of(Fetch(urls=urls, name="x", torrent=Torrent()))
