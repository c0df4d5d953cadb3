"""The subtitles that yt-dlp found → their fetches. None of them costs the video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urljoin

from reactor.errors import DownloadError
from reactor.extractors.base import Context
from reactor.extractors.manifest import extract_texts
from reactor.extractors.ytdlp.formats import Info, Text
from reactor.extractors.ytdlp.pieces import HLS, PLAIN, Piece, Sent, checked, headers_of, taken_over, told_headers
from reactor.extractors.ytdlp.process import bad_answer
from reactor.media.local import Init, Segment, write_playlist
from reactor.media.notes import subtitle_notes
from reactor.media.parts import Subtitles, bounded
from reactor.plan import Fetch, Track

LABEL_MAX = 100
IN_MP4 = "mp4"


async def text_pieces(info: Info, context: Context, sent: Sent) -> tuple[list[Piece], tuple[str, ...]]:
    """The subtitles as streams, and a sentence about those that cannot be had."""
    found, dropped = list[Piece](), list[str]()
    for number, text in enumerate(info.texts):
        told = text if text.http_headers else text.model_copy(update={"http_headers": info.formats[0].http_headers})
        try:
            found += [_without_doubt(piece) for piece in await _pieces(told, f"text-{number}", context, sent)]
        except DownloadError:
            dropped.append(text.name or text.tag)
    return found, subtitle_notes(dropped)


async def _pieces(text: Text, role: str, context: Context, sent: Sent) -> list[Piece]:
    language, label = text.tag[:LABEL_MAX], text.name[:LABEL_MAX]
    if text.special:
        raise bad_answer()
    if text.protocol in HLS:
        headers, subtitles = told_headers(text), Subtitles(language, label)
        found = await extract_texts(checked(text.url), context, headers=headers, cookies=sent.jar, subtitles=subtitles)
        return taken_over(found, role, sent)
    urls = [text.url] if text.protocol in PLAIN else _fragments(text)
    headers_ = headers_of(text, sent)
    suffix = "m4s" if text.ext == IN_MP4 else text.ext
    fetches = []
    for place, url in enumerate(map(checked, bounded(urls)), 1):
        fetches.append(Fetch(urls=(url,), name=f"{role}-{place:05}.{suffix}", headers=headers_(url)))
    names = [fetch.name for fetch in fetches]
    init = Init(names.pop(0)) if text.ext == IN_MP4 and len(names) > 1 else None
    playlist = write_playlist(Segment(name, 0.0, init=init) for name in names)
    track = Track(form="webvtt", first=0, count=len(fetches), playlist=playlist, language=language, label=label)
    return [Piece(tuple(fetches), track)]


def _fragments(text: Text) -> Sequence[str]:
    base = text.fragment_base_url or text.url
    return [each.url or urljoin(base, each.path or "") for each in text.fragments or ()] or [text.url]


def _without_doubt(piece: Piece) -> Piece:
    """The video is whole without any of it."""
    return replace(piece, fetches=tuple(replace(fetch, optional=True) for fetch in piece.fetches))
