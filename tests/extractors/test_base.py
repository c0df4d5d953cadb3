"""Every kind has an extractor; those that cannot do it yet say so."""

from __future__ import annotations

import pytest

from reactor.errors import DownloadError
from reactor.extractors import EXTRACTORS
from reactor.extractors.base import Context, HandOver
from reactor.models import Detection, Kind

READY = {Kind.DIRECT, Kind.TORRENT, Kind.YTDLP}


def test_every_kind_has_its_extractor() -> None:
    assert {kind: extractor.kind for kind, extractor in EXTRACTORS.items()} == {kind: kind for kind in Kind}


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind not in READY])
async def test_a_kind_that_cannot_be_done_yet_says_so(context: Context, kind: Kind) -> None:
    with pytest.raises(DownloadError, match="cannot download it yet") as caught:
        await EXTRACTORS[kind].extract(Detection(kind=kind, url="https://h/", why="test"), context)
    assert (caught.value.word, caught.value.retryable) == ("unsupported", False)


def test_handing_over_says_why_but_not_where() -> None:
    other = HandOver(Detection(kind=Kind.YTDLP, url="https://u:secret@h/", why="a page"))
    assert str(other) == "ytdlp: a page"
