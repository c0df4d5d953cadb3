"""What a row brings, as a key: equal for two rows exactly where they bring the same in the same form.

A bot keeps what it has uploaded by it. It says nothing of where the thing came from: a URL may hold a secret, and is in
it as a hash only.
"""

from __future__ import annotations

import hashlib
import json
from urllib.parse import parse_qsl, urlencode, urlsplit

from reactor.models import Kind
from reactor.options import NO_OPTIONS, Options
from reactor.plan import Extraction, Fetch

SHAPING = (
    *("want", "quality", "codec", "container", "format", "language", "audio", "subtitles", "thumbnail", "chapters"),
    *("sponsorblock", "clip", "cut", "live", "files", "split_mib"),
)
"""Options that change the result."""
TRACKING = frozenset({"fbclid", "gclid", "dclid", "msclkid", "yclid", "igshid", "mc_cid", "mc_eid", "si", "ref_src"})
"""Keys of a query that only say who has shared it, beside `utm_…`."""
KEY_MAX = 200


def media_key(found: Extraction, options: Options) -> str:
    """The key; empty where nothing tells what it is."""
    what = _what(found)
    if not what or options is NO_OPTIONS:
        return what
    asked = options.plain()
    shape = {key: getattr(asked, key) for key in SHAPING if getattr(asked, key) != getattr(NO_OPTIONS, key)}
    if not shape:
        return what
    said = asked.model_dump(mode="json", include=set(shape))
    return f"{what}#{_hash(json.dumps(said, sort_keys=True))[:12]}"


def _what(found: Extraction) -> str:
    """Its kind and its identity."""
    (fetch, *more), about = found.fetches, found.finish.about
    if fetch.torrent is not None:
        if found.finish.how == "metadata" or fetch.torrent.info_hash is None:
            return ""
        return ":".join(filter(None, ("torrent", fetch.torrent.info_hash, fetch.torrent.select)))[:KEY_MAX]
    if found.finish.recording is not None:
        return ""  # of the same channel it is another one each time
    if found.kind in (Kind.YTDLP, Kind.PLAYWRIGHT):
        host = (urlsplit(about.url).hostname or "").removeprefix("www.")
        return f"{found.kind}:{host}:{about.id}"[:KEY_MAX] if host and about.id else ""
    return "" if more or found.finish.how != "file" else _file(fetch)


def _file(fetch: Fetch) -> str:
    """A file is known by its URL and its version: without a validator it may be another one tomorrow."""
    if fetch.validator is None or (fetch.size is None and not fetch.strong):
        return ""
    version = fetch.validator if fetch.strong else f"{fetch.validator} {fetch.size}"
    return f"file:{_hash(f'{_plain(fetch.urls[0])} {version}')[:40]}"


def _plain(url: str) -> str:
    """Without who it is asked by, and who has shared it."""
    parts = urlsplit(url)
    asked = parse_qsl(parts.query, keep_blank_values=True)
    kept = [(key, value) for key, value in asked if key not in TRACKING and not key.startswith("utm_")]
    query = parts.query if len(kept) == len(asked) else urlencode(kept)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2].lower(), query=query, fragment="").geturl()


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
