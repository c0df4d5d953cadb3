"""Which container holds which codecs, and what ffmpeg calls it. Pure."""

from __future__ import annotations

from reactor.errors import DownloadError

MP4_VIDEO = ("h264", "hevc", "av1", "vp9", "mpeg4")
MP4_AUDIO = ("aac", "mp3", "ac3", "eac3", "opus", "flac", "alac")
WEBM_VIDEO = ("vp8", "vp9", "av1")
WEBM_AUDIO = ("opus", "vorbis")
OGG_AUDIO = ("flac", "opus", "vorbis")
MUXERS = {
    ".flac": "flac",
    ".m4a": "ipod",
    ".mka": "matroska",
    ".mkv": "matroska",
    ".mp3": "mp3",
    ".mp4": "mp4",
    ".ogg": "ogg",
    ".opus": "opus",
    ".wav": "wav",
    ".webm": "webm",
}
"""By the suffix of a result."""
INDEXED = (".mp4", ".m4a")
"""What has an index: where each picture and each sound is."""
AUDIO_HOMES = {
    "aac": ".m4a",
    "ac3": ".m4a",
    "alac": ".m4a",
    "eac3": ".mka",
    "flac": ".flac",
    "mp3": ".mp3",
    "opus": ".opus",
    "pcm_s16le": ".wav",
    "vorbis": ".ogg",
}
"""The usual suffix of each sound that stands alone."""

AUDIO_SUFFIXES = (".flac", ".m4a", ".mka", ".mp3", ".ogg", ".opus", ".wav")
"""Of the sounds that we write."""


def suffix_of(video: str | None, audio: str | None) -> str:
    """The container for these codecs. Raises DownloadError (`incomplete`) where there is nothing."""
    if video is None and audio is None:
        raise DownloadError("There is neither picture nor sound in this video.", code="incomplete")
    if video is None:
        return AUDIO_HOMES.get(audio or "", ".mka")
    return ".mp4" if video in MP4_VIDEO and audio in (None, *MP4_AUDIO) else ".mkv"


def holds(suffix: str, video: str | None, audio: str | None) -> bool:
    """True if a container that we write can hold these codecs."""
    match suffix:
        case ".mkv":
            return True
        case ".mp4":
            return video in (None, *MP4_VIDEO) and audio in (None, *MP4_AUDIO)
        case ".webm":
            return video in (None, *WEBM_VIDEO) and audio in (None, *WEBM_AUDIO)
        case ".mka":
            return video is None
        case ".ogg":
            return video is None and audio in OGG_AUDIO
        case _:
            return video is None and AUDIO_HOMES.get(audio or "", ".mka") == suffix


def index_option(reserved: int | None) -> str:
    """What has the index of an mp4 at its beginning, where so many bytes are `reserved` for it; None: it is moved there
    (`mp4_index.py`)."""
    return "movflags=+faststart" if reserved is None else f"moov_size={reserved}"


def muxer_arguments(suffix: str, video: str | None, reserved: int | None = None) -> list[str]:
    """ffmpeg's options for the container: what players want to see, at the beginning where they look for it. See
    `index_option`."""
    name, _, value = index_option(reserved).partition("=")
    found = [f"-{name}", value] if suffix in INDEXED else []
    found += ["-tag:v:0", "hvc1"] if suffix == ".mp4" and video == "hevc" else []  # what Apple's players want to see
    found += ["-id3v2_version", "3"] if suffix == ".mp3" else []
    found += ["-rf64", "auto"] if suffix == ".wav" else []
    return [*found, "-f", MUXERS[suffix]]
