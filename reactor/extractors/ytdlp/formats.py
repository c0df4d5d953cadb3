"""What yt-dlp's process tells of a video, as far as reactor reads it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from reactor import numbers
from reactor.media.choice import QUALITIES_MAX, Like, Quality, Traits

LIKE_MAX = 100
"""Characters of what describes a format."""
SIDE_MAX = 1_000_000
"""Pixels of a picture's side."""


SECONDS_MAX = 1e11

Seconds = Annotated[float | None, BeforeValidator(lambda told: numbers.bounded(told, most=SECONDS_MAX) or None)]
"""Where it is none that anything lasts, or any moment, nothing was said."""


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)


class Fragment(_Part):
    """One fetch of a DASH format."""

    url: str | None = None
    path: str | None = None
    """Relative to the format's `fragment_base_url`, where there is no URL."""
    duration: Seconds = None


class Format(_Part):
    """One stream that yt-dlp chose, or the only one."""

    url: Annotated[str, Field(min_length=1, max_length=65_536)]
    protocol: str
    ext: str = ""
    vcodec: str | None = None
    """`none`: it has no picture. None: nobody knows."""
    acodec: str | None = None
    filesize: int | float | None = None
    """Bytes, as the site shows them: a hint. `chosen.choose` puts the server's own word in its place."""
    validator: str | None = None
    """Of the server's answer, as `plan.Fetch` has it; never told by yt-dlp."""
    strong: bool = False
    http_headers: dict[str, str] = {}
    fragments: list[Fragment] | None = None
    fragment_base_url: str | None = None
    manifest_url: str | None = None
    """Where the manifest stands that it comes from."""
    format_id: str = ""
    width: float | None = None
    height: float | None = None
    tbr: float | None = None
    """Kilobits a second."""
    language: str | None = None
    hls_media_playlist_data: str | None = None
    """The media playlist, where the site hands it out with the page."""
    hls_aes: Any = None
    extra_param_to_segment_url: Any = None
    extra_param_to_key_url: Any = None
    request_data: Any = None

    @property
    def sound_alone(self) -> bool:
        return self.vcodec == "none"

    @property
    def like(self) -> Like:
        """What was chosen, as a manifest describes it."""
        codecs = self.acodec if self.sound_alone else self.vcodec
        return Like(
            kind="audio" if self.sound_alone else "video",
            height=int(self.height) if self.height and not self.sound_alone else None,
            bandwidth=self.tbr * 1000 if self.tbr else None,
            codecs="" if codecs in (None, "none") else str(codecs)[:LIKE_MAX],
            language=(self.language or "")[:LIKE_MAX],
        )

    @property
    def traits(self) -> Traits:
        """What it was chosen by."""
        sides = [round(side) for side in (self.width, self.height) if side and 0 < side < SIDE_MAX]
        picture = "" if self.sound_alone else self.vcodec or ""
        return Traits(
            self.format_id[:LIKE_MAX],
            min(sides, default=None),
            max(sides, default=None),
            "" if picture == "none" else picture[:LIKE_MAX],
            (self.language or "")[:LIKE_MAX],
        )

    @property
    def special(self) -> bool:
        """True when it needs what only yt-dlp's own downloader does."""
        return any((self.hls_aes, self.extra_param_to_segment_url, self.extra_param_to_key_url, self.request_data))


class Text(Format):
    """Subtitles in one language."""

    tag: str
    """As the site has it."""
    name: str = ""
    auto: bool = False
    """A machine made them."""


class Offered(_Part):
    """A format that there is, as far as somebody chooses by it."""

    format_id: str = ""
    vcodec: str | None = None
    acodec: str | None = None
    width: float | None = None
    height: float | None = None
    tbr: float | None = None
    filesize: float | None = None
    exact: bool = False
    language: str | None = None

    @property
    def quality(self) -> Quality:
        sides = [round(side) for side in (self.width, self.height) if side and 0 < side < SIDE_MAX]
        sound = self.vcodec == "none"
        size = numbers.bounded(self.filesize, most=numbers.SIZE_MAX)
        codec = "" if sound or self.vcodec in (None, "none") else str(self.vcodec)[:LIKE_MAX]
        return Quality(
            self.format_id[:LIKE_MAX],
            sound,
            None if sound else min(sides, default=None),
            codec,
            (self.language or "")[:LIKE_MAX],
            (numbers.bounded(self.tbr) or 0.0) * 1000,
            self.acodec == "none",
            int(size) if size and self.exact else None,
        )


class Info(_Part):
    """What the worker hands over of an info dict."""

    title: str | None = None
    duration: Seconds = None
    """Seconds."""
    is_live: bool | None = None
    live_status: str | None = None
    release_timestamp: Seconds = None
    section_start: Seconds = None
    """Only from here on, in seconds, is it what was asked for."""
    section_end: Seconds = None
    extractor_key: str | None = None
    """yt-dlp's name of the site."""
    about: dict[str, str] = {}
    """What the site says of it, by yt-dlp's names: see `about`."""
    chapters: list[dict[str, Any]] = []
    guess: bool = False
    """A file that an unknown page tells of: it may be a preview of its film."""
    offered: Annotated[list[Offered], Field(max_length=QUALITIES_MAX)] = []
    """All its formats, for a row that asks."""
    subtitles: Annotated[list[str], Field(max_length=100)] = []
    """Languages, for the same."""
    cookies: list[dict[str, Any]] = []
    """Those that the jar has for the formats."""
    formats: Annotated[list[Format], Field(min_length=1, max_length=8)]
    texts: Annotated[list[Text], Field(max_length=8)] = []
    others: Annotated[list[list[Format]], Field(max_length=8)] = []
    """What comes next where these are not there, best first."""
    then: Annotated[list[Annotated[list[Format], Field(min_length=1, max_length=8)]], Field(max_length=50)] = []
    """Those of the pieces that follow, where a film comes in several."""
