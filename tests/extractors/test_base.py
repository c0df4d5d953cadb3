"""Every kind has an extractor."""

from __future__ import annotations

import pytest

from reactor.errors import DownloadError
from reactor.extractors import EXTRACTORS
from reactor.extractors.base import Context, Reclassified
from reactor.models import Kind
from reactor.plan import Detection


def test_every_kind_has_its_extractor() -> None:
    assert {kind: extractor.kind for kind, extractor in EXTRACTORS.items()} == {kind: kind for kind in Kind}


def test_a_kind_from_outside_is_known_by_its_name() -> None:
    named = Kind("filehost")
    assert Kind("filehost") is named
    assert (named.built_in, Kind.DIRECT.built_in, named in list(Kind)) == (False, True, False)
    found = Detection(kind=named, url="https://h/", why="its pattern")
    assert Detection.model_validate_json(found.model_dump_json()).kind is named
    for odd in ("", "Not a name", "x" * 40, "../x", "ä"):
        with pytest.raises(ValueError, match="not a valid Kind"):
            Kind(odd)


async def test_what_nobody_knows_ends_in_a_sentence(context: Context) -> None:
    with pytest.raises(DownloadError, match="could not be determined") as caught:
        await EXTRACTORS[Kind.UNKNOWN].extract(Detection(kind=Kind.UNKNOWN, url="https://h/", why="test"), context)
    assert (caught.value.code, caught.value.retryable) == ("unsupported", False)


def test_handing_over_says_why_but_not_where() -> None:
    other = Reclassified(Detection(kind=Kind.YTDLP, url="https://u:secret@h/", why="a page"))
    assert str(other) == "ytdlp: a page"
