"""What the stages of a download hand to each other: what a URL is, all there is to fetch of it, and how the result is
made of that.

All are frozen and validated where they are made. A bot and the commands that read or write rows do without them. Sizes
are bytes, moments are seconds since the epoch, speeds are bytes/s.
"""

# Without `from __future__ import annotations`: pydantic would compile each annotation of a model again.

import json
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializationInfo,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic.dataclasses import dataclass as validated_dataclass
from pydantic.dataclasses import rebuild_dataclass
from pydantic_core import CoreSchema, core_schema

from reactor.errors import Failure
from reactor.models import Content, Kind, whole_characters
from reactor.numbers import FETCHES_MAX
from reactor.options import NO_OPTIONS, Options

__all__ = ["Brought", "Cookie", "Detection", "Extraction", "Fetch", "Finish", "Header", "HttpProbe", "Torrent", "Track"]

COOKIES_MAX = 300
"""Most cookies of one download."""
COOKIE_BYTES_MAX = 4096
"""Of a cookie's name and value together, as in browsers (RFC 6265bis, section 5.6)."""
COOKIE_PATH_MAX = 1024
COOKIE_LINE_MAX = 64 * 1024
"""Bytes of the cookies in one request: no server reads a longer header."""
HEADER_SETS_MAX = 64
"""Most sets of headers among which the parts of one download choose."""
HEADERS_MAX = 64
"""Most headers of one request, cookies not counted."""


COUNTED_TOO_MANY = 2
"""Segments that a rounded duration counts too many."""


def _whole(value: object) -> object:
    return whole_characters(value) if isinstance(value, str) else value


STRICT = ConfigDict(extra="forbid", strict=True, ser_json_bytes="base64", val_json_bytes="base64", defer_build=True)


class Frozen(BaseModel):
    """Strict and immutable: nonsense is refused at the border, not found later. Validators are built at first use:
    together they would cost a start 50 ms."""

    model_config = STRICT | {"frozen": True}


def _one_line(value: str) -> str:
    """Refuse what could end a header line or an option: a stranger's text must stay inside its field."""
    if any(character in value for character in "\r\n\0"):
        raise ValueError("a line break or NUL is not allowed here")
    return value


Line = Annotated[str, StringConstraints(max_length=65_536)]


class Header(Frozen):
    """One header of a request."""

    name: Annotated[str, StringConstraints(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", max_length=256)]
    value: Line

    _check_value = field_validator("value")(_one_line)


class Cookie(Frozen):
    """One cookie and the hosts it may go to: `domain` itself, and those below it unless `host_only`."""

    name: str
    value: str
    domain: Annotated[str, StringConstraints(min_length=1, max_length=253)]
    path: Annotated[str, StringConstraints(max_length=COOKIE_PATH_MAX)] = "/"
    secure: bool = False
    host_only: bool = True
    http_only: bool = False
    """Not shown to the scripts of pages."""

    _check_lines = field_validator("name", "value", "domain", "path")(_one_line)

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        if len(self.name.encode(errors="replace")) + len(self.value.encode(errors="replace")) > COOKIE_BYTES_MAX:
            raise ValueError("the cookie is too large")
        return self


class Torrent(Frozen):
    """What aria2 needs beyond a URL: the metainfo of a `.torrent`, or nothing for a magnet link."""

    metainfo: bytes | None = None
    """The whole `.torrent` file, already looked into."""
    metadata_only: bool = False
    """True for a magnet link of which only the metainfo is fetched, to be looked into by us."""
    info_hash: str | None = None
    """v1 (40 hex digits) or v2 (64), lower case."""
    folder: bool = False
    """True when it is known to hold several files."""
    select: Annotated[str, StringConstraints(pattern=r"^[0-9,-]*$")] = ""
    """The files that are wanted of it, as aria2's `select-file` has them; "" for all."""
    paths: tuple[tuple[int, Line], ...] = ()
    """Files that are not put where aria2 would put them: their numbers from 1, and their paths."""
    pads: tuple[tuple[int, int], ...] = ()
    """Of one that the web shares: its pad files (BEP 47), which nobody has there: their numbers, and bytes."""
    trackers: tuple[Line, ...] = ()


@validated_dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Fetch:
    """One thing for aria2 to fetch. No model as the others are: there may be 20 000, and each is to be small."""

    urls: tuple[Line, ...] = ()
    """Mirrors of the same bytes, best first. May hold a password: never show one unredacted."""
    name: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    """A clean base name inside the staging folder."""
    headers: Annotated[int, Field(ge=0)] | None = None
    """Which set of `Extraction.headers` is sent; None: none. Cookies are chosen by URL (RFC 6265, section 5.4)."""
    size: Annotated[int, Field(ge=0)] | None = None
    checksum: Annotated[str, StringConstraints(pattern=r"^(sha-1|sha-256|md5|sha-512)=[0-9a-f]+$")] | None = None
    """As aria2's `checksum` option has it: `sha-256=0123…`."""
    byte_range: tuple[int, int] | None = None
    """First and last byte, both included, when only a part of the resource is wanted."""
    validator: str | None = None
    """ETag or Last-Modified: a partial file may be continued only when it has not changed."""
    strong: bool = False
    """True when an equal validator means equal bytes: no server is to send a part under another one (If-Range)."""
    by_head: bool = False
    """True when HEAD was answered, with this size."""
    ranges: bool = False
    """True when its server is known to send a part of it."""
    optional: bool = False
    """True when it is not known to exist: without it the result is whole."""
    torrent: Torrent | None = None

    @property
    def identity(self) -> tuple[object, ...]:
        """Equal where the bytes are. Parts of two renditions have the same names, and often neither size nor
        validator: then the path decides; the query of a URL that has run out is another one."""
        path = urlsplit(self.urls[0]).path if self.urls and self.size is None and self.validator is None else None
        return self.name, self.size, self.validator, self.byte_range, path

    @field_validator("urls")
    @classmethod
    def _check_urls(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_one_line(url) for url in urls)

    @field_validator("name")
    @classmethod
    def _is_base_name(cls, name: str) -> str:
        if name in (".", "..") or any(c in "/\\" or ord(c) < 32 for c in name):
            raise ValueError("not a clean base name")
        return name


class Track(Frozen):
    """One stream of media (or one file with several), and the fetches it is made of."""

    form: Literal["file", "hls", "concat", "pieces", "webvtt"]
    """`file`: one fetch is the stream. `hls`: `playlist` names the fetches by their local names.
    `concat`: the fetches one after another, an init segment first, are the stream (DASH).
    `pieces`: the same of one file that was cut anywhere: none of them is media by itself.
    `webvtt`: `playlist` names files of subtitles, of whatever form; the video is whole without them."""
    first: Annotated[int, Field(ge=0)]
    """Index of its first fetch in `Extraction.fetches`; the others follow it."""
    count: Annotated[int, Field(ge=1)]
    playlist: str | None = None
    """A media playlist of our own (RFC 8216), with local names only."""
    holds: tuple[Literal["video", "audio"], ...] = ()
    """What is promised to be in it, and must be in the result; empty when nothing is said."""
    section: Annotated[int, Field(ge=0)] = 0
    """Which piece of a film it belongs to: those of the next one follow in time. Of a broadcast: which part."""
    source: Annotated[int, Field(ge=0)] = 0
    """Of a broadcast: which of `Recording.sources` it was taken from."""
    needed: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """Those of its fetches, counted from its first one, that no segment can do without: init sections, keys."""
    holes: Annotated[int, Field(ge=0)] = 0
    """How many of its segments may be missing; never two in a row."""
    language: str = ""
    """Of its sound or its subtitles: a BCP-47 tag."""
    label: str = ""
    """Of subtitles: their name."""
    late_s: Annotated[float, Field(ge=-1e9, le=1e9)] = 0.0
    """Of subtitles in fragments: by how much their clock is ahead of the video's."""
    sections: tuple[tuple[int, float, float], ...] = ()
    """Of subtitles in several sections that each count their times anew: the number of each, when it is said to begin,
    and by how much its clock is ahead of the video's, in seconds."""
    lasts: tuple[float, ...] = ()
    """For `concat`: seconds of each segment, where they differ and only a part of the film is wanted."""


CHAPTERS_MAX = 1000
TAG_MAX = 1000
"""Characters of what is said about a film: whoever it is by, the title of a chapter."""
Tag = Annotated[str, BeforeValidator(_whole), StringConstraints(max_length=TAG_MAX)]
MARKS_MAX = 100
FILM_S_MAX = 1e7
"""Seconds, 115 days: no film is longer."""
FilmTime = Annotated[float, Field(ge=0, le=FILM_S_MAX)]


class Chapter(Frozen):
    """A part of a film that has a name, in its seconds."""

    start_s: FilmTime
    end_s: FilmTime
    title: Tag = ""


class About(Frozen):
    """What a site says of a film; empty where nobody says it."""

    id: Tag = ""
    title: Tag = ""
    uploader: Tag = ""
    date: Annotated[str, StringConstraints(pattern=r"^([0-9]{4}(-[0-9]{2}-[0-9]{2})?)?$")] = ""
    """2024-05-31."""
    url: Annotated[str, StringConstraints(max_length=2000)] = ""
    """Of its page."""
    thumbnail: Annotated[str, StringConstraints(max_length=4000)] = ""
    """The URL of a picture."""
    album: Tag = ""
    genre: Tag = ""


NO_ABOUT = About.model_construct()


class Excerpt(Frozen):
    """A range of a film, in its seconds, of which alone the segments are fetched."""

    section: Annotated[int, Field(ge=0)]
    """The first section of the tracks' playlists that belongs to it."""
    start_s: FilmTime
    end_s: FilmTime


class Source(Frozen):
    """One stream of a broadcast, and how far it was taken: see `media.windows.Query`."""

    url: Line
    id: Annotated[str, StringConstraints(max_length=100)] = ""
    holds: tuple[Literal["video", "audio"], ...] = ()
    language: str = ""
    after: int | None = None
    section: int = 0
    last: Line = ""
    init_url: Line = ""
    init_name: Annotated[str, StringConstraints(max_length=255)] = ""


class Recording(Frozen):
    """A broadcast that is recorded while it runs: where to ask for more of it, and what was taken."""

    url: Line
    """For which the headers were given."""
    headers: Annotated[int, Field(ge=0)] | None = None
    """Which set of `Extraction.headers` those are."""
    sources: tuple[Source, ...]
    sections: tuple[tuple[int, int], ...] = ()
    """Sections of the streams, and which part each of them is."""
    most_s: Annotated[float, Field(gt=0)]
    recorded_s: Annotated[float, Field(ge=0)] = 0.0
    step_s: Annotated[float, Field(gt=0)] = 1.0
    """How often there is something new."""
    span_s: Annotated[float, Field(ge=0)] = 0.0
    """How long what is new stays there."""
    over: bool = False
    """True when nothing more is taken."""


class Brought(Frozen):
    """What another row has brought, and may still be there."""

    download_id: int
    path: Line
    """Of the file or folder."""
    bytes: Annotated[int, Field(ge=0)]
    notes: tuple[str, ...] = ()
    """What there was to say of it."""


def _options(value: object) -> Options:
    """Options, or the object that they are in JSON."""
    return value if isinstance(value, Options) else Options.model_validate_json(json.dumps(value))


def _plain(options: Options, info: SerializationInfo) -> dict[str, Any]:
    return options.model_dump(mode=info.mode, exclude_unset=info.exclude_unset, exclude_defaults=info.exclude_defaults)


class _Later:
    """Validates options by their own model, which is built for the first row that has some: it is larger than all the
    others together, of which it would be a part."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> CoreSchema:
        written = core_schema.plain_serializer_function_ser_schema(_plain, info_arg=True)
        return core_schema.no_info_plain_validator_function(_options, serialization=written)


class Finish(Frozen):
    """How the fetched parts become what the person gets."""

    how: Literal["file", "folder", "torrent", "metadata", "media"]
    """`file`: the one fetch is the file. `folder`: the fetches are the files of one.
    `torrent`: what aria2 made of it decides: one file or a folder.
    `metadata`: it says what there is to fetch. `media`: the tracks are joined by copy."""
    name: str
    """The wished base name of the result; a unique one is made of it when it is published."""
    tracks: tuple[Track, ...] = ()
    """For `media`: what is joined, video first."""
    duration_s: Annotated[float, Field(gt=0)] | None = None
    """What it is said to last: the number of a manifest or a site, which is nominal, and good for the progress."""
    packed: bool = False
    """For `file`: it is sent packed though nobody asked for that, and unpacked when it is there."""
    start_s: Annotated[float, Field(ge=0)] = 0.0
    """For `media`: only from here on is it wanted."""
    end_s: Annotated[float, Field(gt=0)] | None = None
    """For `media`: only up to here."""
    least_s: Annotated[float, Field(gt=0)] | None = None
    """What lasts less is only a piece of it: by a witness of its own, such as the page's player."""
    notes: tuple[str, ...] = ()
    """Sentences for the person about what is not as it was offered; see `Download.notes`."""
    about: About = NO_ABOUT
    """What goes into the tags, and into the name."""
    chapters: Annotated[tuple[Chapter, ...], Field(max_length=CHAPTERS_MAX)] = ()
    """Those of the film, in order."""
    marks: Annotated[tuple[Chapter, ...], Field(max_length=MARKS_MAX)] = ()
    """Parts of it that viewers have marked, in order; the titles say as what."""
    excerpts: tuple[Excerpt, ...] = ()
    """What alone is fetched of the film, in order; empty: all of it."""
    options: Annotated[Options, _Later] = NO_OPTIONS
    """What the row asks for, where the last stage has to do with it."""
    recording: Recording | None = None
    """Set of a broadcast: its tracks are pieces of its parts."""
    media_key: str = ""
    """See `extractors.media_keys`."""
    unmet: tuple[str, ...] = ()
    """Sentences about what was asked for and cannot be had of this: noted, or with `strict` a failure."""
    reused: Brought | None = None
    """What is there already, and is linked in place of fetching it."""


class Extraction(Frozen):
    """What stage 2 hands to stage 3: all there is to fetch, and how to put it together."""

    kind: Kind
    title: Annotated[str, BeforeValidator(_whole), StringConstraints(max_length=10_000)] | None = None
    headers: Annotated[
        tuple[Annotated[tuple[Header, ...], Field(max_length=HEADERS_MAX)], ...], Field(max_length=HEADER_SETS_MAX)
    ] = ()
    """Sets of headers; each fetch names one."""
    cookies: Annotated[tuple[Cookie, ...], Field(max_length=COOKIES_MAX)] = ()
    """The jar of all fetches."""
    fetches: Annotated[tuple[Fetch, ...], Field(min_length=1, max_length=FETCHES_MAX)]
    finish: Finish

    @model_validator(mode="after")
    def _check_header_sets(self) -> Self:
        if any(fetch.headers is not None and fetch.headers >= len(self.headers) for fetch in self.fetches):
            raise ValueError("a fetch names headers that are not there")
        return self

    def headers_of(self, fetch: Fetch) -> tuple[Header, ...]:
        """The headers that are sent for one of its fetches."""
        return () if fetch.headers is None else self.headers[fetch.headers]

    @property
    def plan_bytes(self) -> int:
        """What it takes as stored, at least: without quotes and escapes, and without a `.torrent`, which has a limit of
        its own."""
        addresses = sum(len(url) for fetch in self.fetches for url in fetch.urls)
        names = sum(len(fetch.name) for fetch in self.fetches)
        headers = sum(len(header.name) + len(header.value) for each in self.headers for header in each)
        cookies = sum(len(cookie.name) + len(cookie.value) for cookie in self.cookies)
        playlists = sum(len(track.playlist or "") for track in self.finish.tracks)
        return addresses + names + headers + cookies + playlists

    @property
    def request_bytes(self) -> int:
        """Most bytes of headers and cookies that go with one of its fetches."""
        headers = (sum(len(header.name) + len(header.value) for header in each) for each in self.headers)
        cookies = sum(len(cookie.name) + len(cookie.value) for cookie in self.cookies)
        return max(headers, default=0) + min(cookies, COOKIE_LINE_MAX)

    @property
    def size(self) -> int | None:
        """Bytes of all parts together, or None when one of them is unknown."""
        sizes = [fetch.size for fetch in self.fetches]
        return sum(size for size in sizes if size is not None) if None not in sizes else None

    def tolerates(self, missing: Collection[int]) -> bool:
        """True if the result may be worth having without these fetches: of no track more segments are missing than may
        be, and never two in a row; what is not known to exist is missing at the end only. Of a broadcast whatever has
        come is worth having."""
        if self.finish.recording is not None:
            return len(missing) < len(self.fetches)
        films = [track for track in self.finish.tracks if track.form != "webvtt"]
        holes = (sorted(set(absent) - tail) for absent, tail in (self._missing_of(each, missing) for each in films))
        return all(map(_are_holes, holes, films)) if films else not missing

    def ends_early(self, missing: Collection[int]) -> bool:
        """True if of all tracks more is missing at the end than a rounded duration counts too many."""
        films = [track for track in self.finish.tracks if track.form != "webvtt"]
        tails = [len(self._missing_of(each, missing)[1]) for each in films]
        return all(n > max(COUNTED_TOO_MANY, track.count // 20) for n, track in zip(tails, films, strict=True))

    def _missing_of(self, track: Track, missing: Collection[int]) -> tuple[list[int], set[int]]:
        """Those of a track, counted from its first fetch; and those of them that were only counted, and after which
        nothing comes."""
        absent, tail = sorted(n - track.first for n in missing if 0 <= n - track.first < track.count), set[int]()
        for n in reversed(absent):
            here = track.first + n
            last = n + 1 == track.count or not self.fetches[here + 1].optional
            if self.fetches[here].optional and (last or n + 1 in tail):
                tail.add(n)
        return absent, tail

    def fetched(self) -> "Extraction":
        """The same without what is there already: all of it is fetched."""
        return self.model_copy(update={"finish": self.finish.model_copy(update={"reused": None})})

    @property
    def running(self) -> bool:
        """True for a broadcast of which more may come."""
        return self.finish.recording is not None and not self.finish.recording.over

    def sealed(self, *notes: str) -> "Extraction":
        """Of a broadcast what was taken, and no more."""
        assert self.finish.recording is not None  # else it is none
        over = self.finish.recording.model_copy(update={"over": True})
        finish = self.finish.model_copy(update={"recording": over, "notes": (*self.finish.notes, *notes)})
        return self.model_copy(update={"finish": finish})

    def continues(self, earlier: "Extraction") -> bool:
        """True when partial files of `earlier` are the beginning of what this one fetches."""
        return [fetch.identity for fetch in self.fetches] == [fetch.identity for fetch in earlier.fetches]

    def extends(self, earlier: "Extraction") -> bool:
        """True when it is the same broadcast as `earlier`, with what has come since."""
        if self.finish.recording is None or earlier.finish.recording is None:
            return False
        before, now = earlier.fetches, self.fetches[: len(earlier.fetches)]
        return [fetch.identity for fetch in before] == [fetch.identity for fetch in now]


def _are_holes(missing: Sequence[int], track: Track) -> bool:
    """True if these fetches of a track may be missing, however the others are."""
    if not missing:
        return True
    needed = set(track.needed)
    if len(missing) > track.holes or not needed.isdisjoint(missing):
        return False
    return not any(needed.issuperset(range(one + 1, two)) for one, two in pairwise(missing))


class HttpProbe(Frozen):
    """What the headers of a URL say, after every redirect."""

    url: str
    """The URL that answered. Holds credentials only when its host is the one they were given for."""
    headers: tuple[Header, ...] = ()
    """What the server wants to see with it: a Referer, a login by Digest."""
    cookies: tuple[Cookie, ...] = ()
    """Those that went with the request: set by what led there."""
    content_type: str | None = None
    begins: Content | None = None
    """What its first bytes are, where they were looked at: of what is said to be a page."""
    size: int | None = None
    name: str | None = None
    """A clean name out of Content-Disposition, else out of the URL."""
    attachment: bool = False
    """True when the server says that it is to be saved, not shown."""
    validator: str | None = None
    strong: bool = False
    """True when the validator may stand in If-Range."""
    checksum: str | None = None
    """Of all bytes, as the server tells it: as `Fetch.checksum`."""
    resumable: bool = False
    """True when the server said it takes byte ranges."""
    packed: bool = False
    """True when it is sent packed by gzip, unasked."""
    by_head: bool = False
    """True when HEAD was answered, with this size."""


class Detection(Frozen):
    """What stage 1 hands to stage 2."""

    kind: Kind
    url: str
    """The URL to extract from: the row's, trimmed and made absolute (a bare info hash becomes a magnet link)."""
    why: str
    """Which rule decided, in a few words, for the journal."""
    probe: HttpProbe | None = None
    """Set when the headers were looked at, so that nothing is asked twice."""
    earlier: Failure | None = None
    """What another extractor said of it, which hands it on: told where this one finds nothing either."""


def build_models() -> None:
    """Build now what every row needs, so that the first one does not wait for it: 3 ms that are free while aria2c
    starts."""
    rebuild_dataclass(Fetch)  # type: ignore[arg-type]  # mypy sees a dataclass of the standard library
    for model in (Header, Cookie, Finish, HttpProbe, Detection, Extraction):
        model.model_rebuild()
