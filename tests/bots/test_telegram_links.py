"""The links of a message, and the magnet link of a torrent."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from bencode2 import bencode

from contrib.telegram.links import LINK_BYTES_MAX, NotATorrent, is_for, links_in, magnet_of
from tests.bots.telegram import entities

if TYPE_CHECKING:  # seconds to import, which only who runs these tests has to pay
    from aiogram.types import Message

pytestmark = pytest.mark.timeout(300)  # the first of them imports aiogram

DATE = datetime(2026, 1, 1, tzinfo=UTC)
INFO = {b"name": b"a film", b"piece length": 16384, b"pieces": b"x" * 20, b"length": 5}
ANNOUNCE = b"http://tracker.example/a?b=c&d=e"


def message(text: str = "", *, caption: str | None = None, links: tuple[dict[str, Any], ...] = ()) -> Message:
    """A message as Telegram marks it."""
    from aiogram.types import Chat, Message, MessageEntity

    marks = [MessageEntity(**entity) for entity in (*entities(caption or text), *links)]
    said: dict[str, Any] = {"caption": caption, "caption_entities": marks} if caption else {"text": text}
    return Message(message_id=1, date=DATE, chat=Chat(id=1, type="private"), **({"entities": marks} | said))


def test_links_are_found_where_they_stand_and_once() -> None:
    from aiogram.types import Chat, Message

    hidden = {"type": "text_link", "offset": 0, "length": 2, "url": "https://hidden.example/"}
    text = "😀 https://a.example/x?y=1 magnet:?xt=urn:btih:0&dn=b https://a.example/x?y=1 http://b.example"
    found = ["https://hidden.example/", "https://a.example/x?y=1", "magnet:?xt=urn:btih:0&dn=b", "http://b.example"]
    assert links_in(message(text, links=(hidden,))) == found
    assert links_in(message(caption=text, links=(hidden,))) == found
    assert links_in(message("nothing")) == []
    assert links_in(Message(message_id=1, date=DATE, chat=Chat(id=1, type="private"))) == []


def test_what_is_no_link_to_fetch_is_left_alone() -> None:
    bare = {"type": "url", "offset": 0, "length": 13}
    assert links_in(message("a.example/b.c", links=(bare,))) == ["https://a.example/b.c"]
    for url in ("tg://user?id=1", "javascript:alert(1)", "file:///etc/passwd", "http://[", "https://a/" + "x" * 9000):
        link = {"type": "text_link", "offset": 0, "length": 2, "url": url}
        assert links_in(message("xx", links=(link,))) == [], url[:20]
    assert LINK_BYTES_MAX < 9000


def test_a_message_is_for_the_bot_when_it_names_it() -> None:
    from aiogram.types import User

    assert is_for(message("@Fetcher_Bot take this"), "fetcher_bot")
    assert is_for(message(caption="look @fetcher_bot"), "fetcher_bot")
    assert not is_for(message("@fetcher_bot2 take this"), "fetcher_bot")
    assert not is_for(message("me@fetcher_bot"), "fetcher_bot")
    assert User(id=1, is_bot=True, first_name="x").username is None


def test_a_torrent_becomes_its_magnet_link() -> None:
    torrent = bencode({b"info": INFO, b"announce": ANNOUNCE, b"announce-list": [[ANNOUNCE], [b"udp://u.example:1"]]})
    topic = hashlib.sha1(bencode(INFO)).hexdigest()
    assert magnet_of(torrent) == (
        f"magnet:?xt=urn:btih:{topic}&dn=a+film"
        "&tr=http%3A%2F%2Ftracker.example%2Fa%3Fb%3Dc%26d%3De&tr=udp%3A%2F%2Fu.example%3A1"
    )
    newer = {name: value for name, value in INFO.items() if name != b"pieces"} | {b"meta version": 2}
    assert magnet_of(bencode({b"info": newer})).startswith("magnet:?xt=urn:btmh:1220")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"de",
        b"d4:infod4:name1:aee4:more",
        bencode({b"info": 5}),
        bencode({b"info": {b"name": 5}}),
        b"le",
    ],
)
def test_what_is_no_torrent_is_refused(content: bytes) -> None:
    with pytest.raises(NotATorrent):
        magnet_of(content)
