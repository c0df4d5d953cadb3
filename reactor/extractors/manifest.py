"""A manifest (HLS or DASH) → all that has to be fetched for it, and how it is joined.

The pages' extractors pass the manifest's URL, with the headers and cookies that the page's own player sent for it.
"""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from reactor.extractors.base import Context
from reactor.extractors.documents import Asked, Parsed
from reactor.extractors.manifest_reader import Reader
from reactor.extractors.manifest_streams import find_streams
from reactor.files.names import clean_name
from reactor.media.choice import Choice
from reactor.media.parts import MediaStream, Subtitles, too_many_parts
from reactor.media.requested import requested, unmet, unmet_texts
from reactor.models import Kind
from reactor.net.jar import Jar
from reactor.numbers import FETCHES_MAX
from reactor.plan import Extraction, Fetch, Finish, Header, Track

TITLE_MAX = 1000
SEGMENTS_MANY = 5
"""Of fewer segments none may be missing."""

_PLAIN_NAMES = ("chunklist", "hls", "index", "main", "manifest", "master", "media", "playlist", "stream", "video")


async def extract_manifest(
    url: str,
    context: Context,
    *,
    kind: Kind,
    headers: tuple[Header, ...] = (),
    cookies: Jar | None = None,
    title: str | None = None,
    text: str | None = None,
    choice: Choice | None = None,
) -> Extraction:
    """Read the manifest at `url` (or `text`, its content if that is known), and the playlists it names.

    `kind` is the kind of the extraction. `choice` is what somebody else has chosen of it; None: what the row asks for,
    else the operator. Cookies of the responses are added to `cookies`. A playlist without an end is read again until
    it is certain that nothing more comes. Raises DownloadError: `live`, `drm`, `unsupported`, `too_large`,
    `too_many_parts`, `bad_manifest`, `bad_key`, and those of HTTP."""
    reader = Reader.of(context, url, headers, cookies)
    chosen = choice is not None
    choice = choice or requested(context.options, context.choice)
    if text is None:
        context.parsers.warm()
    if context.options.live is not None and context.live_max_s:
        from reactor.extractors.recording import begin

        most_s = min(float(context.options.live.max_s), context.live_max_s)
        named = (title or "").strip()[:TITLE_MAX] or _title(url)
        recording = await begin(url, text, choice, reader, kind=kind, title=named, most_s=most_s)
        if recording is not None:
            return recording
    found = await find_streams(url, text, choice, reader)
    films = [stream for stream in found.streams if stream.form != "webvtt"]
    tags = [each.subtitles.language for each in found.streams if each.subtitles and each.parts]
    lacks = () if chosen else unmet_texts(context.options, tags)
    sound_alone = choice.audio_only or (bool(films) and all(stream.holds == ("audio",) for stream in films))
    title = (title or "").strip()[:TITLE_MAX] or _title(found.url)
    tracks, fetches, notes = [], list[Fetch](), list(found.notes)
    for stream in found.streams:
        if stream.parts:
            tracks.append(_track(stream, len(fetches), context.holes))
            fetches += await reader.fetches(stream)
    if len(fetches) > FETCHES_MAX:
        raise too_many_parts(len(fetches))
    durations = [stream.duration_s for stream in films if stream.duration_s]
    if not chosen:
        lacks = (*unmet(context.options, [stream.traits for stream in films], sound_alone=sound_alone), *lacks)
    finish = Finish(
        how="media",
        name=clean_name(f"{title}{'.m4a' if sound_alone else '.mp4'}"),
        tracks=tuple(tracks),
        duration_s=max(durations) if films and len(durations) == len(films) else None,
        notes=tuple(notes),
        options=context.options,
        unmet=lacks,
    )
    return Extraction(
        kind=kind,
        title=title,
        headers=reader.sets.all,
        cookies=context.http.new_cookies(
            reader.jar.of_hosts(urlsplit(fetch.urls[0]).hostname or "" for fetch in fetches)
        ),
        fetches=tuple(fetches),
        finish=finish,
    )


async def extract_texts(
    url: str, context: Context, *, headers: tuple[Header, ...], cookies: Jar, subtitles: Subtitles
) -> Extraction:
    """The subtitles that an HLS playlist at `url` consists of. Raises DownloadError, as `extract_manifest`."""
    reader = Reader.of(context, url, headers, cookies)
    at, document = await reader.read(url)
    asked = Asked(variant=True, subtitles=subtitles)
    found = await context.parsers.manifest(document, at, Choice(), asked)
    streams = found.streams if isinstance(found, Parsed) else ()
    fetches = [fetch for stream in streams for fetch in await reader.fetches(stream)]
    tracks = tuple(_track(stream, 0, 0.0) for stream in streams)
    return Extraction(
        kind=Kind.YTDLP,
        headers=reader.sets.all,
        cookies=context.http.new_cookies(
            reader.jar.of_hosts(urlsplit(fetch.urls[0]).hostname or "" for fetch in fetches)
        ),
        fetches=tuple(fetches),
        finish=Finish(how="media", name="subtitles", tracks=tracks),
    )


def _track(stream: MediaStream, first: int, holes: float) -> Track:
    segments = len(stream.parts) - len(stream.needed)
    told = stream.subtitles
    return Track(
        form=stream.form,
        first=first,
        count=len(stream.parts),
        playlist=stream.playlist,
        holds=stream.holds,
        needed=stream.needed,
        holes=max(1, int(segments * holes / 100)) if holes and segments >= SEGMENTS_MANY else 0,
        language=told.language if told else stream.traits.language,
        label=told.name if told else "",
        lasts=stream.lasts,
        late_s=stream.late_s,
        sections=stream.sections,
    )


def _title(url: str) -> str:
    """A name out of the address: the last part of it that says something."""
    parts = [unquote(part, errors="replace") for part in urlsplit(url).path.split("/") if part]
    stems = [part.rpartition(".")[0] or part for part in parts[-1:]] + parts[-2::-1]
    return next((clean_name(stem) for stem in stems if stem.lower() not in _PLAIN_NAMES), "video")[:TITLE_MAX]
