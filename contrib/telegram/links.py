"""What somebody wants: the links of a message, of whatever kind, and the magnet link of a `.torrent`. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from bencode2 import BencodeDecodeError, bdecode, bencode

if TYPE_CHECKING:
    from aiogram.types import Message

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


def is_for(message: Message, username: str) -> bool:
    """True when a message in a group speaks to the bot: it names it."""
    text = message.text or message.caption or ""
    named = (
        entity.extract_from(text).lower()
        for entity in message.entities or message.caption_entities or []
        if entity.type == "mention"
    )
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
    for entity in message.entities or message.caption_entities or []:
        if entity.type == "text_link" and entity.url:
            yield entity.offset, entity.url
        elif entity.type == "url":
            link = entity.extract_from(text)
            yield entity.offset, link if "://" in link else f"https://{link}"
    for magnet in MAGNET.finditer(text):  # Telegram knows none of them; it counts in UTF-16 units
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
