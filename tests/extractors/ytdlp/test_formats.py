"""What yt-dlp tells of a format, as a manifest would describe it."""

from __future__ import annotations

import pytest

from reactor.extractors.ytdlp.formats import Format
from reactor.media.choice import Like


@pytest.mark.parametrize(
    ("told", "like"),
    [
        (
            {"vcodec": "avc1.64001f", "acodec": "none", "height": 720, "tbr": 1200.5},
            Like("video", height=720, bandwidth=1_200_500.0, codecs="avc1.64001f"),
        ),
        (
            {"vcodec": "none", "acodec": "mp4a.40.2", "height": 0, "tbr": 128, "language": "en-GB"},
            Like("audio", bandwidth=128_000.0, codecs="mp4a.40.2", language="en-GB"),
        ),
        ({}, Like("video")),
    ],
)
def test_what_was_chosen(told: dict[str, object], like: Like) -> None:
    format_ = Format.model_validate({"url": "https://h/x.mpd", "protocol": "http_dash_segments", **told})
    assert format_.like == like
