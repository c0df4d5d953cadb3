"""Every kind has an extractor."""

from __future__ import annotations

import pytest

from reactor.errors import DownloadError
from reactor.extractors import EXTRACTORS
from reactor.extractors.base import Context, Reclassified
from reactor.models import Detection, Kind


def test_every_kind_has_its_extractor() -> None:
    assert {kind: extractor.kind for kind, extractor in EXTRACTORS.items()} == {kind: kind for kind in Kind}


async def test_what_nobody_knows_ends_in_a_sentence(context: Context) -> None:
    with pytest.raises(DownloadError, match="could not be determined") as caught:
        await EXTRACTORS[Kind.UNKNOWN].extract(Detection(kind=Kind.UNKNOWN, url="https://h/", why="test"), context)
    assert (caught.value.code, caught.value.retryable) == ("unsupported", False)


def test_handing_over_says_why_but_not_where() -> None:
    other = Reclassified(Detection(kind=Kind.YTDLP, url="https://u:secret@h/", why="a page"))
    assert str(other) == "ytdlp: a page"
