"""What yt-dlp found → what there is to fetch, and how it is joined.

yt-dlp, its extractors and the sites behind them are strangers: of what they say this reads what it knows, and
refuses what makes no sense.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal
from urllib.parse import urljoin, urlsplit

from anyio import to_thread
from pydantic import ValidationError

from reactor.errors import DownloadError
from reactor.extractors.base import Context
from reactor.extractors.manifest import extract_manifest
from reactor.extractors.ytdlp.about import about_of, chapters_of
from reactor.extractors.ytdlp.cover import cover_alone
from reactor.extractors.ytdlp.failures import not_started
from reactor.extractors.ytdlp.formats import Format, Info
from reactor.extractors.ytdlp.pieces import HLS, PLAIN, Piece, Sent, checked, headers_of, taken_over, told_headers
from reactor.extractors.ytdlp.process import bad_answer
from reactor.extractors.ytdlp.texts import text_pieces
from reactor.files.names import clean_name
from reactor.files.suffixes import MEDIA_SUFFIXES
from reactor.media.choice import Choice
from reactor.media.parts import bounded, live
from reactor.media.requested import requested, unmet, unmet_texts
from reactor.models import Kind
from reactor.net.cookies import kept_cookies
from reactor.net.jar import without
from reactor.numbers import FETCHES_MAX
from reactor.patterns import pattern
from reactor.plan import Extraction, Fetch, Finish, Track

TITLE_MAX = 1000
"""Characters of a title that are kept."""
EXACT_S = 100.0
"""From this length on a duration told in whole seconds is exact to 1 %."""
LANGUAGE_MAX = 35
SIZE_MAX = 2**63
"""Bytes; more is no size."""

_SUFFIX = pattern(r"\.([a-z0-9]{1,5})$", re.IGNORECASE)
_DASH = "http_dash_segments"
_FINAL = "drm", "live", "unsupported", "too_many_parts", "too_large"
"""What a manifest says of itself, and its fragments would only hide."""


def parse_info(told: Any) -> Info:
    """Validate what the worker told. Raises DownloadError (`bad_answer`)."""
    try:
        return Info.model_validate(told)
    except ValidationError as error:
        raise bad_answer() from error


async def extraction_of(info: Info, context: Context) -> Extraction:
    """All there is to fetch for a video. Reads the manifest where it is HLS.

    Raises DownloadError: `live`, `not_started`, `unsupported`, `bad_answer`, `too_many_parts`, and those of
    `manifest.extract_manifest`."""
    title = (info.title or "").strip()[:TITLE_MAX] or None
    if context.options.live is not None and context.live_max_s:
        if (broadcast := await _recorded(info, title, context)) is not None:
            return broadcast
        context = replace(context, live_max_s=0.0)  # it has its end
    _refuse_live(info)
    sections = [sorted(formats, key=lambda format_: format_.sound_alone) for formats in (info.formats, *info.then)]
    formats = [format_ for section in sections for format_ in section]
    if any(format_.special for format_ in formats):
        raise _unsupported("in a way that only yt-dlp itself can fetch")
    if context.findings is not None and info.offered:
        context.findings.see(each.quality for each in info.offered)
        context.findings.subtitles |= dict.fromkeys(info.subtitles, False)
    about = about_of(info.about)
    if (cover := await cover_alone(about, title, context)) is not None:
        return cover
    sent = Sent(context.http.jar(kept_cookies(info.cookies)), given=context.http.cookies)
    if context.options.want == "subtitles":
        return await _texts_alone(info, title, context, sent)
    texts, dropped = await text_pieces(info, context, sent)
    options, alone = context.options, all(format_.sound_alone for format_ in formats)
    lacks = unmet(options, [format_.traits for format_ in sections[0]], sound_alone=alone)
    lacks = (*lacks, *unmet_texts(options, [text.tag for text in info.texts]))
    finish_of = partial(Finish, about=about, options=options, notes=dropped, unmet=lacks)
    chapters = chapters_of(info.chapters, info.duration)
    if len(formats) == 1 and _stays_a_file(formats[0], info, context) and not texts:
        return _one_file(formats[0], title, sent, partial(finish_of, chapters=chapters))
    pieces = [piece async for piece in _all_pieces(sections, context, sent)] + texts
    fetches = tuple(fetch for piece in pieces for fetch in piece.fetches)
    if len(fetches) > FETCHES_MAX:
        raise DownloadError(f"This video comes in more than {FETCHES_MAX:,} parts.", code="too_many_parts")
    suffix = ".m4a" if alone or options.want == "audio" else ".mp4"
    finish = finish_of(
        how="media",
        name=clean_name(f"{title or 'video'}{suffix}"),
        tracks=tuple(_placed(pieces)),
        duration_s=_duration(info, pieces),
        start_s=info.section_start or 0.0,
        end_s=info.section_end,
        chapters=() if info.section_start or info.section_end else chapters,
    )
    return _extraction(title, fetches, finish, sent)


async def _texts_alone(info: Info, title: str | None, context: Context, sent: Sent) -> Extraction:
    """The subtitles, and nothing else. Raises DownloadError (`not_as_wished`) where there are none."""
    lacks = unmet_texts(context.options, [text.tag for text in info.texts])
    pieces, dropped = await text_pieces(info, context, sent)
    if not pieces:
        raise DownloadError(" ".join(dropped), code="not_as_wished")
    finish = Finish(
        how="media",
        name=clean_name(f"{title or 'video'}.srt"),
        tracks=tuple(_placed(pieces)),
        options=context.options,
        notes=dropped,
        unmet=lacks,
    )
    return _extraction(title, tuple(fetch for piece in pieces for fetch in piece.fetches), finish, sent)


def _stays_a_file(format_: Format, info: Info, context: Context) -> bool:
    """True if the whole video is one URL, and nothing is to be made of it before it is looked at."""
    asked = context.options.container
    other = asked != "auto" and not format_.sound_alone and _suffix(format_) != f".{asked}"
    return format_.protocol in PLAIN and not (info.section_start or info.section_end or other)


async def _all_pieces(sections: Sequence[Sequence[Format]], context: Context, sent: Sent) -> AsyncIterator[Piece]:
    """The streams of a film, each as a part of its section."""
    number = 0
    for section, formats in enumerate(sections):
        for alike in _by_manifest(formats):
            for piece in await _pieces(alike, number, context, sent):
                yield replace(piece, track=piece.track.model_copy(update={"section": section}))
            number += 1


def _extraction(title: str | None, fetches: tuple[Fetch, ...], finish: Finish, sent: Sent) -> Extraction:
    cookies = without(sent.jar.of_hosts(urlsplit(each.urls[0]).hostname or "" for each in fetches), sent.given)
    return Extraction(
        kind=Kind.YTDLP, title=title, headers=sent.headers.all, cookies=cookies, fetches=fetches, finish=finish
    )


async def _recorded(info: Info, title: str | None, context: Context) -> Extraction | None:
    """A broadcast, by the manifest that its formats come from; None for what is none."""
    format_ = info.formats[0]
    manifest = (format_.manifest_url or format_.url) if format_.protocol in (*HLS, _DASH) else None
    if manifest is None or (format_.protocol == _DASH and not format_.manifest_url):
        return None
    jar = context.http.jar(kept_cookies(info.cookies))
    found = await extract_manifest(
        checked(manifest), context, kind=Kind.YTDLP, headers=told_headers(format_), cookies=jar, title=title
    )
    if found.finish.recording is None:
        return None
    about = found.finish.model_copy(update={"about": about_of(info.about)})
    return found.model_copy(update={"finish": about})


def _refuse_live(info: Info) -> None:
    if info.live_status == "is_upcoming":
        raise not_started(info.release_timestamp)
    if info.is_live:
        raise live()


def _one_file(format_: Format, title: str | None, sent: Sent, finish_of: Callable[..., Finish]) -> Extraction:
    """One URL that is the whole video."""
    name = clean_name(f"{title or 'video'}{_suffix(format_)}")
    return _extraction(title, (_whole(format_, name, sent),), finish_of(how="file", name=name), sent)


def _by_manifest(formats: Sequence[Format]) -> list[list[Format]]:
    """The formats, those together that come from one DASH manifest."""
    found: dict[object, list[Format]] = {}
    for number, format_ in enumerate(formats):
        together = format_.manifest_url if format_.protocol == _DASH else None
        found.setdefault(together or number, []).append(format_)
    return list(found.values())


async def _pieces(formats: Sequence[Format], number: int, context: Context, sent: Sent) -> list[Piece]:
    """One format, or those of one manifest, as streams. `number` keeps their names apart from those of the others."""
    if formats[0].protocol == _DASH and formats[0].manifest_url:
        return await _dash(formats, formats[0].manifest_url, number, context, sent)
    (format_,) = formats
    timed = bool(context.options.clip)
    role = f"{'audio' if format_.sound_alone else 'video'}-{number}"
    if format_.protocol in PLAIN:
        fetch = _whole(format_, f"{role}{_suffix(format_)}", sent)
        track = Track(form="file", first=0, count=1, holds=_holds(format_), language=_spoken(format_))
        return [Piece((fetch,), track)]
    if format_.protocol == _DASH and format_.fragments:
        return [await to_thread.run_sync(_fragments, format_, role, sent, timed, abandon_on_cancel=True)]
    if format_.protocol in HLS:
        return await _hls(format_, role, context, sent)
    raise _unsupported(f"as {format_.protocol[:30]}")


async def _dash(formats: Sequence[Format], manifest_url: str, number: int, context: Context, sent: Sent) -> list[Piece]:
    """What was chosen, read out of the manifest itself: yt-dlp makes one list of the fragments of all periods, and of
    sounds that are described alike. Only where the manifest is not to be had again, its list has to do."""
    try:
        found = await extract_manifest(
            checked(manifest_url),
            context,
            kind=Kind.YTDLP,
            headers=told_headers(formats[0]),
            cookies=sent.jar,
            choice=Choice(like=tuple(format_.like for format_ in formats)),
        )
    except DownloadError as error:
        if error.code in _FINAL or not all(format_.fragments for format_ in formats):
            raise
    else:
        pieces = taken_over(found, f"dash-{number}", sent)
        if len(pieces) == len(formats):
            return pieces
    timed = bool(context.options.clip)
    roles = [f"{'audio' if format_.sound_alone else 'video'}-{number}-{n}" for n, format_ in enumerate(formats)]
    return [
        await to_thread.run_sync(_fragments, format_, role, sent, timed, abandon_on_cancel=True)
        for format_, role in zip(formats, roles, strict=True)
    ]


def _fragments(format_: Format, role: str, sent: Sent, timed: bool) -> Piece:
    fragments = format_.fragments or []
    base = format_.fragment_base_url or format_.url
    urls = bounded(fragment.url or _joined(base, fragment.path) for fragment in fragments)
    headers = headers_of(format_, sent)
    fetches = tuple(_fetch(url, f"{role}-{place:05}.m4s", headers) for place, url in enumerate(urls, 1))
    without = sum(1 for fragment in fragments if not fragment.duration)
    if 1 < without < len(fragments) or len({(each.url, each.path) for each in fragments}) < len(fragments):
        raise _unsupported("in several pieces, of which the manifest cannot be read")
    durations = [fragment.duration for fragment in fragments if fragment.duration and fragment.duration > 0]
    # An initialisation segment lasts nothing.
    known = len(durations) >= max(len(fragments) - 1, 1)
    lasts = tuple(durations) if known and timed else ()
    track = Track(
        form="concat",
        first=0,
        count=len(fetches),
        holds=_holds(format_),
        language=_spoken(format_),
        needed=(0,) if lasts and len(lasts) < len(fetches) else (),
        lasts=lasts,
    )
    return Piece(fetches, track, sum(durations) if known else None)


async def _hls(format_: Format, role: str, context: Context, sent: Sent) -> list[Piece]:
    """The parts that the playlist names, under names that no other playlist's parts have."""
    found = await extract_manifest(
        checked(format_.url),
        context,
        kind=Kind.YTDLP,
        headers=told_headers(format_),
        cookies=sent.jar,
        text=format_.hls_media_playlist_data,
        choice=_of_manifest(format_, context),
    )
    return taken_over(found, role, sent)


def _of_manifest(format_: Format, context: Context) -> Choice:
    """What is taken of a playlist that yt-dlp has not looked into. The ids of formats are yt-dlp's."""
    wanted = requested(context.options, context.choice)
    return replace(wanted, audio_only=format_.sound_alone or context.options.want == "audio", formats=())


def _placed(pieces: Sequence[Piece]) -> Iterable[Track]:
    """The tracks, each counted from the first fetch of all."""
    first = 0
    for piece in pieces:
        yield piece.track.model_copy(update={"first": first})
        first += piece.track.count


def _duration(info: Info, pieces: Sequence[Piece]) -> float | None:
    """What the parts add up to; else what the site says, where it is exact enough to be a promise."""
    pieces = [piece for piece in pieces if piece.track.form != "webvtt"]
    if pieces and all(piece.duration_s for piece in pieces):
        longest: dict[int, float] = {}
        for piece in pieces:
            longest[piece.track.section] = max(longest.get(piece.track.section, 0.0), piece.duration_s or 0.0)
        return sum(longest.values())
    said = info.duration
    return said if said and (said >= EXACT_S or not float(said).is_integer()) else None


def _fetch(url: str, name: str, headers: Callable[[str], int | None]) -> Fetch:
    url = checked(url)
    return Fetch(urls=(url,), name=name, headers=headers(url))


def _whole(format_: Format, name: str, sent: Sent) -> Fetch:
    """The fetch of a format that is one file, with what its server promises."""
    fetch = _fetch(format_.url, name, headers_of(format_, sent))
    return replace(fetch, size=_size(format_), validator=format_.validator, strong=format_.strong)


def _joined(base: str, path: str | None) -> str:
    try:
        if path:
            return urljoin(base, path)
    except ValueError:
        pass
    raise bad_answer()


def _size(format_: Format) -> int | None:
    size = format_.filesize
    return int(size) if size and 0 < size < SIZE_MAX and size == int(size) else None


def _suffix(format_: Format) -> str:
    """A suffix that is a picture's, a film's or a sound's; nothing that a click would run."""
    in_path = _SUFFIX.search(urlsplit(checked(format_.url)).path)
    for suffix in (format_.ext.lower(), in_path[1].lower() if in_path else ""):
        if suffix in MEDIA_SUFFIXES:
            return f".{suffix}"
    return ""


def _spoken(format_: Format) -> str:
    return (format_.language or "")[:LANGUAGE_MAX]


def _holds(format_: Format) -> tuple[Literal["video", "audio"], ...]:
    """What is promised to be in a stream of one sort; of what holds both, yt-dlp often knows too little."""
    if format_.sound_alone:
        return ("audio",)
    return ("video",) if format_.acodec == "none" else ()


def _unsupported(how: str) -> DownloadError:
    return DownloadError(f"This video comes {how}, which is not supported.", code="unsupported")
