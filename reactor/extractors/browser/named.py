"""Films that a page tells of without playing them: its metadata, its links, its scripts. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import urljoin

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from reactor.extractors.browser.ranking import MEDIA_SUFFIXES, NAMED, SEGMENT_SUFFIXES, Sight, is_ad_host, suffix_of

LD_DEPTH_MAX = 6
LD_CHARS_MAX = 64 * 1024
NAMED_MAX = 40
PLAYERS_MAX = 8
URL_MAX = 4096
LINKS_MAX = 1
"""Of several files that are linked to none is the page's film."""

_ORDER = ("ld", "og", "source", "link", "text")
_MANIFESTS = frozenset(("m3u8", "mpd"))


class _Named(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    how: str
    url: str
    type: str


_ALL = TypeAdapter(list[_Named])


def named_sights(told: Any, ld: Sequence[str], frame: str) -> list[Sight]:
    """Sights of what a frame tells of, the likeliest first; `ld`: the texts of its JSON-LD."""
    try:
        found = _ALL.validate_python(told)
    except ValidationError:
        return []
    found += [_Named(how="ld", url=url, type="") for url in content_urls(ld, frame)]
    links = {each.url for each in found if each.how == "link"}
    found = [each for each in found if each.how in _ORDER and (each.how != "link" or len(links) <= LINKS_MAX)]
    found.sort(key=lambda each: _ORDER.index(each.how))
    sights: dict[str, Sight] = {}
    for each in found:
        suffix, url = suffix_of(each.url), each.url.partition("#")[0]
        known = suffix in MEDIA_SUFFIXES | _MANIFESTS or each.type.startswith(("video/", "audio/"))
        sure = each.how in ("ld", "og") and not each.type.startswith(("text/", "application/x-shockwave"))
        if url.startswith(("http:", "https:")) and suffix not in SEGMENT_SUFFIXES and (known or sure):
            kind = each.type if each.type.startswith(("video/", "audio/", "application/")) else ""
            page = "video/mp4" if sure and not known else kind
            sights.setdefault(url, Sight(url=url, resource=NAMED, content_type=page, frame=frame))
    return list(sights.values())[:NAMED_MAX]


def players_named(told: Any, ld: Sequence[str], frame: str) -> list[str]:
    """The pages of players that a frame tells of, the likeliest first: those of its metadata, then frames that it has
    not loaded."""
    try:
        found = _ALL.validate_python(told)
    except ValidationError:
        return []
    urls = [each.url for each in found if each.how == "player"]
    urls += _ld_urls(ld, frame, "embedUrl", "embedURL")
    urls += [each.url for each in found if each.how == "frame"]
    kept = (url.partition("#")[0] for url in urls if url.startswith(("http:", "https:")) and len(url) <= URL_MAX)
    others = (url for url in kept if url != frame.partition("#")[0] and not is_ad_host(url))
    return list(dict.fromkeys(others))[:PLAYERS_MAX]


def content_urls(texts: Iterable[str], frame: str) -> list[str]:
    """What JSON-LD names as the bytes of a video or a sound."""
    return _ld_urls(texts, frame, "contentUrl", "contentURL")


def _ld_urls(texts: Iterable[str], frame: str, *keys: str) -> list[str]:
    found = []
    for told in ld_things(texts):
        url = next((told[key] for key in keys if told.get(key)), None)
        if isinstance(url, str) and (joined := _joined(frame, url)).startswith(("http:", "https:")):
            found.append(joined)
    return found


def _joined(frame: str, url: str) -> str:
    try:
        return urljoin(frame, url.strip())
    except ValueError:
        return ""


def ld_things(texts: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Every object of JSON-LD texts, as deep as makes sense."""
    for text in texts:
        try:
            todo: list[tuple[Any, int]] = [(json.loads(text if len(text) <= LD_CHARS_MAX else ""), 0)]
        except (ValueError, RecursionError):
            continue
        while todo:
            told, depth = todo.pop()
            inner = list(told.values()) if isinstance(told, dict) else told if isinstance(told, list) else []
            if isinstance(told, dict):
                yield told
            if depth < LD_DEPTH_MAX:
                todo += [(each, depth + 1) for each in reversed(inner)]
