"""A manifest (HLS or DASH) → all that has to be fetched for it, and how it is joined.

The pages' extractors come here with the manifest's address, and with the headers and cookies that the page's own
player sent for it. What could be a credential stays with the host it was given for; the rest goes everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import anyio.lowlevel

from reactor.errors import DownloadError
from reactor.extractors.base import Context
from reactor.files.names import clean_name
from reactor.media.choice import Choice
from reactor.media.parts import Holds, MediaStream, Part, bad_manifest, too_large, too_many_parts
from reactor.models import Extraction, Fetch, Finish, Header, Kind, Track
from reactor.net.credentials import HeaderSets, headers_for, same_host, split_credentials
from reactor.net.failures import status_failure
from reactor.net.jar import Jar
from reactor.net.redirects import MagnetRedirect, follow, read_body
from reactor.net.urls import normalise_http
from reactor.numbers import FETCHES_MAX

MANIFEST_BYTES_MAX = 16 * 1024 * 1024
"""More than any whose addresses fit into a plan."""
TURN_CHARS = 20_000
"""Of addresses that are made ready at a time."""
TITLE_MAX = 1000

_NEVER = ("accept-encoding", "connection", "content-length", "cookie", "host", "range", "te", "transfer-encoding")
"""What aria2 and our client have to say themselves; cookies come as such, with their domains."""
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
    """Read the manifest at `url` (or `text`, its content where that is known), and the playlists it names.

    `kind` is the kind of the extraction. `choice` defaults to that of the context. Cookies of the responses are added
    to `cookies`. Raises DownloadError: `live`, `drm`, `unsupported`, `too_large`, `too_many_parts`, `bad_manifest`,
    `bad_key`, and those of HTTP."""
    reader = _Reader.of(context, url, headers, cookies)
    choice = choice or context.choice
    if text is None:
        context.parsers.warm()
        url, document = await reader.read(url)
    else:
        document = text.encode("utf-8", "replace")
    if len(document) > MANIFEST_BYTES_MAX:
        raise too_large()
    streams = await _streams(url, document, choice, reader)
    sound_alone = choice.audio_only or all(stream.holds == ("audio",) for stream in streams)
    title = (title or "").strip()[:TITLE_MAX] or _title(url)
    tracks, fetches = [], list[Fetch]()
    for stream in streams:
        form, count = stream.form, len(stream.parts)
        tracks.append(Track(form=form, first=len(fetches), count=count, playlist=stream.playlist, holds=stream.holds))
        fetches += await reader.fetches(stream)
    if len(fetches) > FETCHES_MAX:
        raise too_many_parts(len(fetches))
    durations = [stream.duration_s for stream in streams if stream.duration_s]
    finish = Finish(
        how="media",
        name=clean_name(f"{title}{'.m4a' if sound_alone else '.mp4'}"),
        tracks=tuple(tracks),
        duration_s=max(durations) if len(durations) == len(streams) else None,
    )
    return Extraction(
        kind=kind,
        title=title,
        headers=reader.sets.all,
        cookies=reader.jar.of_hosts(urlsplit(fetch.urls[0]).hostname or "" for fetch in fetches),
        fetches=tuple(fetches),
        finish=finish,
    )


async def _streams(url: str, document: bytes, choice: Choice, reader: _Reader) -> list[MediaStream]:
    """The streams of whatever kind of manifest it is."""
    parsers = reader.context.parsers
    holds: Holds = ("audio",) if choice.audio_only else ()
    streams: list[MediaStream] = []
    for found in await parsers.manifest(document, url, choice, holds=holds):
        if isinstance(found, MediaStream):
            streams.append(found)
            continue
        at, inner = await reader.read(found.url)
        prefix = "audio-" if streams else ""
        media = await parsers.manifest(inner, at, choice, variant=True, prefix=prefix, holds=found.holds)
        streams += [each for each in media if isinstance(each, MediaStream)]
    return streams


def _title(url: str) -> str:
    """A name out of the address: the last part of it that says something."""
    parts = [unquote(part, errors="replace") for part in urlsplit(url).path.split("/") if part]
    stems = [part.rpartition(".")[0] or part for part in parts[-1:]] + parts[-2::-1]
    return next((clean_name(stem) for stem in stems if stem.lower() not in _PLAIN_NAMES), "video")[:TITLE_MAX]


@dataclass(slots=True)
class _Reader:
    """Reads manifests, and makes fetches of what they name, each with what may go to its host."""

    context: Context
    home: str
    """The address whose user info, headers and cookies were given."""
    headers: tuple[Header, ...]
    jar: Jar
    sets: HeaderSets
    number: Callable[[str], int | None]
    """Which of the sets goes to an address."""

    @classmethod
    def of(cls, context: Context, home: str, headers: tuple[Header, ...], jar: Jar | None) -> _Reader:
        given = tuple(header for header in headers if header.name.lower() not in _NEVER)
        sets = HeaderSets()
        return cls(context, home, given, Jar() if jar is None else jar, sets, sets.given(given, home))

    async def read(self, url: str) -> tuple[str, bytes]:
        """What stands at `url`, and the address that answered, without user info."""
        address = self._checked(url)
        try:
            async with follow("GET", address, self.context.http, self._lines, self.jar) as (final, response):
                if response.status not in (200, 203):
                    raise status_failure(response.status, response.url, response.headers)
                body = await read_body(response, self.context.http, MANIFEST_BYTES_MAX, too_large())
        except MagnetRedirect as error:
            raise bad_manifest("it leads to a magnet link") from error
        return split_credentials(final)[0], body

    async def fetches(self, stream: MediaStream) -> list[Fetch]:
        """One for each part. Others have their turn after each few milliseconds of it."""
        fetches, length = list[Fetch](), 0
        for part in stream.parts:
            fetches.append(self._fetch(part))
            length += len(part.url) + 100
            if length > TURN_CHARS:
                await anyio.lowlevel.checkpoint()
                length = 0
        return fetches

    def _fetch(self, part: Part) -> Fetch:
        url = self._checked(part.url)
        return Fetch(urls=(url,), name=part.name, headers=self.number(url), optional=part.optional)

    def _checked(self, url: str) -> str:
        """An http or https address; with user info only where it is the home's, and ours to give."""
        scheme = urlsplit(url).scheme.lower()
        if scheme not in ("http", "https"):
            raise bad_manifest(f"it names an address that is no http or https address ({scheme[:20]}:)")
        try:
            plain = normalise_http(split_credentials(url)[0])
            credentials = split_credentials(self.home)[1]
        except (DownloadError, ValueError) as error:
            raise bad_manifest("an address in it is not valid") from error
        address = credentials.into(plain) if credentials and same_host(self.home, plain) else plain
        return url if address == url else address  # the same string: there may be 20 000

    def _lines(self, url: str) -> Mapping[str, str]:
        """The headers for a request of our own."""
        return {header.name: header.value for header in headers_for(self.headers, self.home, url)}
