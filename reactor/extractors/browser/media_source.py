"""What a page's own player puts together (Media Source Extensions): picture and sound out of two addresses, and pieces.

What such a player is fed with has to be there: the picture alone, or the first piece of many, is not the film.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from pydantic import BaseModel, ConfigDict, Field

from reactor.errors import DownloadError
from reactor.extractors.base import Context
from reactor.media.choice import holds_audio, split_codecs
from reactor.media.clocks import StreamKind
from reactor.media.containers import is_fragment
from reactor.media.local import read_playlist, renamed
from reactor.net.client import NoAnswer
from reactor.net.jar import Jar
from reactor.net.redirects import MagnetRedirect, follow
from reactor.net.urls import normalise_http
from reactor.patterns import pattern
from reactor.plan import Extraction, Fetch, Finish, Track

HEAD_BYTES = 256 * 1024
"""Of each file so much is looked at."""
LEAST_SHARE = 0.5
"""What lasts less of what the player tells is a piece of it."""
WHOLE_SHARE = 0.95
"""What was fed up to so much of what the player tells was fed to its end."""
FED_MORE = 1.05
FED_MORE_MIN = 64 * 1024
"""So much more than the file has was a player fed with: it plays something else, too."""

_CODECS = pattern(r"codecs\s*=\s*[\"']?([^\"';]+)", re.IGNORECASE)


class Buffer(BaseModel):
    """One SourceBuffer of a page."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)

    type: str
    """As `addSourceBuffer` got it."""
    bytes: int = Field(ge=0)
    """What it was fed with so far."""
    source: str
    """Which MediaSource of which frame it belongs to."""
    urls: list[str] = []
    """What it was fed with, in its order, as far as that is known."""
    duration: float | None = None
    """Seconds, as its MediaSource has it now; None: not known, or endless."""
    end: float | None = None
    """Second up to which it is fed; None: not known."""

    @property
    def kinds(self) -> set[StreamKind]:
        """What it holds."""
        named = _CODECS.search(self.type)
        sound = holds_audio(split_codecs(named[1])) if named else False
        if self.type.lower().startswith("video/"):
            return {"video", "audio"} if sound else {"video"}
        return {"audio"}


async def put_together(
    film: Extraction,
    others: Iterable[Callable[[], Awaitable[Extraction]]],
    buffers: Sequence[Buffer],
    context: Context,
) -> Extraction:
    """The film, with what its player takes besides: `others` make what scripts of the page have fetched, too.

    Raises DownloadError (`unsupported`) where that is not among them, or where the film is a piece of it."""
    mine = _of_the_player(buffers)
    needs: set[StreamKind] = set().union(*(each.kinds for each in mine))
    holds = await kinds_of(film, context)
    whole = film
    if holds is not None and not needs <= holds:
        for make in others:
            try:
                other = await make()
                more = await kinds_of(other, context)
            except DownloadError:  # it is not the other half
                continue
            if more and needs - holds <= more:
                whole = _both(film, other) if "video" in holds else _both(other, film)
                break
        else:
            missing = "sound" if "audio" in needs - holds else "picture"
            raise DownloadError(
                f"The player of this page assembles the video itself, and its {missing} could not be found.",
                code="unsupported",
            )
    _check_size(whole, mine)
    lasts = max((each.duration for each in mine if each.duration), default=None)
    if lasts is None or (whole is film and film.finish.how == "media"):
        return whole
    tracks = whole.finish.tracks or (Track(form="file", first=0, count=1),)
    finish = Finish(how="media", name=whole.finish.name, tracks=tracks, duration_s=lasts, least_s=LEAST_SHARE * lasts)
    return whole.model_copy(update={"finish": finish})


def of_pieces(film: Extraction, buffers: Sequence[Buffer]) -> Extraction | None:
    """All pieces that the player was fed with, one after another, where the film is one of them; None where it is not.

    Raises DownloadError (`unsupported`) where the player was not fed up to the end."""
    if film.finish.how != "file":
        return None
    url, first = film.fetches[0].urls[0], film.fetches[0]
    of_it = {each.source for each in buffers if url in each.urls and len(each.urls) > 1}
    mine = sorted((each for each in buffers if each.source in of_it), key=lambda each: "video" not in each.kinds)
    if not mine:
        return None
    lasts = max((each.duration for each in mine if each.duration), default=None)
    streams = [kind for each in mine for kind in each.kinds]
    whole = lasts is not None and all(each.end is not None and each.end >= WHOLE_SHARE * lasts for each in mine)
    if lasts is None or not whole or len(streams) != len(set(streams)) or not all(each.urls for each in mine):
        raise not_all_pieces()
    tracks, fetches = list[Track](), list[Fetch]()
    for each in mine:
        role: StreamKind = "video" if "video" in each.kinds else "audio"
        holds = ("video", "audio") if len(each.kinds) == 2 else (role,) if _CODECS.search(each.type) else ()
        tracks.append(Track(form="pieces", first=len(fetches), count=len(each.urls), holds=holds))
        fetches += [
            Fetch(urls=(normalise_http(one),), name=f"{role}-{n}.mp4", headers=first.headers)
            for n, one in enumerate(each.urls)
        ]
    finish = Finish(
        how="media", name=film.finish.name, tracks=tuple(tracks), duration_s=lasts, least_s=WHOLE_SHARE * lasts
    )
    return film.model_copy(update={"fetches": tuple(fetches), "finish": finish})


def not_all_pieces() -> DownloadError:
    """Of what the player was fed with."""
    return DownloadError(
        "The player of this page assembles the video from pieces, and not all of them could be found.",
        code="unsupported",
    )


def _of_the_player(buffers: Sequence[Buffer]) -> list[Buffer]:
    """Those of the MediaSource that was fed most: others are of advertisements."""
    fed: dict[str, int] = {}
    for each in buffers:
        fed[each.source] = fed.get(each.source, 0) + each.bytes
    most = max(fed, key=lambda source: fed[source])
    return [each for each in buffers if each.source == most]


def _check_size(whole: Extraction, buffers: Sequence[Buffer]) -> None:
    """Raises DownloadError (`unsupported`) where the player was fed with more than there is."""
    if any(track.form != "file" for track in whole.finish.tracks) or whole.size is None:
        return
    if sum(each.bytes for each in buffers) > FED_MORE * whole.size + FED_MORE_MIN:
        raise not_all_pieces()


def _both(picture: Extraction, sound: Extraction) -> Extraction:
    """Two streams as one download."""
    tracks, fetches = list[Track](), list[Fetch]()
    for role, each, kind in (("video", picture, "video"), ("audio", sound, "audio")):
        headers = 0 if each is picture else len(picture.headers)
        for track in each.finish.tracks or (Track(form="file", first=0, count=1),):
            playlist = renamed(track.playlist, role) if track.playlist else None
            first = len(fetches) + track.first
            tracks.append(track.model_copy(update={"first": first, "playlist": playlist, "holds": (kind,)}))
        fetches += [
            replace(
                fetch,
                name=f"{role}-{fetch.name}"[-255:],
                headers=None if fetch.headers is None else fetch.headers + headers,
            )
            for fetch in each.fetches
        ]
    finish = Finish(how="media", name=picture.finish.name, tracks=tuple(tracks))
    return Extraction(
        kind=picture.kind,
        title=picture.title,
        headers=(*picture.headers, *sound.headers),
        cookies=tuple(Jar((*picture.cookies, *sound.cookies))),
        fetches=tuple(fetches),
        finish=finish,
    )


async def kinds_of(film: Extraction, context: Context) -> set[StreamKind] | None:
    """What a film holds, by its first bytes; None where they do not tell. Raises DownloadError (`unsupported`) for what
    has no beginning."""
    told = {kind for track in film.finish.tracks for kind in track.holds}
    if len(told) > 1:
        return told
    fetch = film.fetches[0]
    for track in film.finish.tracks[:1]:
        segments = read_playlist(track.playlist or "")
        if segments and (segments[0].key or (segments[0].init and segments[0].init.key)):
            return None
        name = (segments[0].init.name if segments[0].init else segments[0].name) if segments else fetch.name
        fetch = next((each for each in film.fetches if each.name == name), fetch)
    head = await _head(film, fetch, context)
    kinds = await context.parsers.kinds(head) if head else None
    if kinds is None and film.finish.how == "file" and is_fragment(head):
        raise DownloadError("The player of this page fetches only a piece of the video.", code="unsupported")
    return kinds


async def _head(film: Extraction, fetch: Fetch, context: Context) -> bytes:
    """The first bytes; none where they are not to be had."""
    sent: Mapping[str, str] = {header.name: header.value for header in film.headers_of(fetch)}
    lines = {**sent, "Range": f"bytes=0-{HEAD_BYTES - 1}"}
    head = bytearray()
    try:
        async with follow("GET", fetch.urls[0], context.http, lines, context.http.jar(film.cookies)) as (_, response):
            if response.status in (200, 206):
                async for piece in response.pieces():
                    head += piece
                    if len(head) >= HEAD_BYTES:
                        break
    except (DownloadError, MagnetRedirect, NoAnswer, TimeoutError):
        return b""
    return bytes(head[:HEAD_BYTES])
