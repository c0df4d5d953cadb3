"""What somebody wants: the links of a message, of whatever kind, and the magnet link of a `.torrent`. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from bencode2 import BencodeDecodeError, bdecode, bencode

if TYPE_CHECKING:
    from aiogram.types import Message, MessageEntity

LINK_BYTES_MAX = 8192
"""No longer link is taken."""
TORRENT_BYTES_MAX = 2 * 1024 * 1024
SCHEMES = {"http", "https", "magnet"}
MAGNET = re.compile(r"magnet:\?[^\s<>\"]+", re.IGNORECASE)
TRACKERS_MAX = 20


class NotATorrent(Exception):
    """The document is no torrent that a magnet link can name."""


def links_in(message: Message) -> list[str]:
    """The links of a message or its caption, typed, hidden behind words, or forwarded; each once, in their order."""
    return list(dict.fromkeys(link for _, link in sorted(_found(message)) if _is_wanted(link)))


def words_in(message: Message, *, after_links: bool) -> list[str]:
    """What a message says beside its links, names and commands; with `after_links` only what follows the first link."""
    text = (message.text or message.caption or "").encode("utf-16-le")  # Telegram counts its units
    spans = [(2 * one.offset, 2 * (one.offset + one.length), one.type) for one in _marks(message)]
    spans += [(2 * at, 2 * at + len(link.encode("utf-16-le")), "url") for at, link in _magnets(message)]
    start = min((end for _, end, kind in spans if kind in ("url", "text_link")), default=0) if after_links else 0
    kept, at = b"", start
    for begin, end, kind in sorted(spans):
        if kind in ("url", "text_link", "mention", "bot_command") and end > at:
            kept, at = kept + text[at:begin] + " ".encode("utf-16-le"), end
    return (kept + text[at:]).decode("utf-16-le", "ignore").split()


def is_for(message: Message, username: str) -> bool:
    """True when a message in a group speaks to the bot: it names it."""
    text = message.text or message.caption or ""
    named = (entity.extract_from(text).lower() for entity in _marks(message) if entity.type == "mention")
    return f"@{username}".lower() in named


def magnet_of(torrent: bytes) -> str:
    """The magnet link of what a `.torrent` file describes, with its trackers. Raises NotATorrent."""
    try:
        whole = bdecode(torrent)
        info = whole[b"info"]
        name, encoded = info[b"name"].decode(errors="replace"), bencode(info)
    except (BencodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise NotATorrent from error
    if b"pieces" in info:
        topic = "urn:btih:" + hashlib.sha1(encoded, usedforsecurity=False).hexdigest()
    else:
        topic = "urn:btmh:1220" + hashlib.sha256(encoded).hexdigest()
    trackers = dict.fromkeys(_trackers(whole))
    named = [("dn", name), *(("tr", tracker) for tracker in list(trackers)[:TRACKERS_MAX])]
    return f"magnet:?xt={topic}&{urlencode(named)}"


def _found(message: Message) -> Iterator[tuple[int, str]]:
    """Where each link stands, and the link."""
    text = message.text or message.caption or ""
    for entity in _marks(message):
        if entity.type == "text_link" and entity.url:
            yield entity.offset, entity.url
        elif entity.type == "url":
            link = entity.extract_from(text)
            yield entity.offset, link if "://" in link else f"https://{link}"
    yield from _magnets(message)


def _marks(message: Message) -> list[MessageEntity]:
    return message.entities or message.caption_entities or []


def _magnets(message: Message) -> Iterator[tuple[int, str]]:
    """Telegram knows none of them; it counts in UTF-16 units."""
    text = message.text or message.caption or ""
    for magnet in MAGNET.finditer(text):
        yield len(text[: magnet.start()].encode("utf-16-le")) // 2, magnet[0]


def _is_wanted(link: str) -> bool:
    try:
        scheme = urlsplit(link).scheme.lower()
    except ValueError:
        return False
    return scheme in SCHEMES and len(link.encode()) <= LINK_BYTES_MAX


def _trackers(whole: Any) -> Iterator[str]:
    tiers = whole.get(b"announce-list")
    listed = [url for tier in tiers if isinstance(tier, list) for url in tier] if isinstance(tiers, list) else []
    for url in [whole.get(b"announce"), *listed]:
        if isinstance(url, bytes):
            yield url.decode(errors="replace")
