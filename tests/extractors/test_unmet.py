"""Which options apply to what was found, and what is said of the others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reactor.errors import DownloadError
from reactor.extractors.unmet import APPLIES, FILES, Applies, What, as_asked, unmet, what_is
from reactor.models import Kind
from reactor.options import NO_OPTIONS, Options, PlaylistOptions
from reactor.plan import NO_ABOUT, About, Extraction, Fetch, Finish, Torrent


def found(what: What, how: str = "") -> Extraction:
    """Something of this sort."""
    name = "film.MP4" if what != "file" else "image.iso"
    kind = {"torrent": Kind.TORRENT, "media": Kind.YTDLP, "stream": Kind.YTDLP}.get(what, Kind.DIRECT)
    torrent = Torrent(info_hash="a" * 40) if what == "torrent" else None
    hows = {"torrent": "torrent", "media": "media", "stream": "media"}
    about = About(id="x") if what == "media" else NO_ABOUT
    finish = Finish(how=how or hows.get(what, "file"), name=name, about=about)
    return Extraction(
        kind=kind, fetches=(Fetch(urls=("http://h.example/",), name=name, torrent=torrent),), finish=finish
    )


def test_every_key_says_where_it_applies() -> None:
    assert set(APPLIES) == set(Options.model_fields)


@pytest.mark.parametrize("what", ["file", "media file", "torrent", "stream", "media"])
def test_what_was_found_is_known(what: What) -> None:
    assert what_is(found(what)) == what


def test_without_options_nothing_is_changed() -> None:
    extraction = found("file")
    assert as_asked(extraction, NO_OPTIONS) is extraction


def test_what_does_not_apply_is_noted_and_what_does_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(APPLIES, "checksum", replace(APPLIES["checksum"], to=FILES))
    monkeypatch.setitem(APPLIES, "clip", Applies("The clip was"))
    options = Options(checksum="md5=" + "0" * 32, clip=((1.0, 2.0),), want="auto")
    extraction = found("torrent")
    told = as_asked(extraction, options).finish
    assert told.options == options
    assert told.notes == (
        "The clip was passed over (`clip`): that is not supported.",
        "The checksum was passed over (`checksum`): this is a torrent.",
    )
    assert unmet(found("file"), Options(checksum="md5=" + "0" * 32)) == ()


@pytest.mark.parametrize("options", [Options(strict=True), Options(strict=True, clip=((1.0, 2.0),))])
def test_strict_options_fail_where_one_cannot_be_met(options: Options) -> None:
    lacking = found("file")
    finish = lacking.finish.model_copy(update={"unmet": ("There is no picture.",), "notes": ("A piece is missing.",)})
    lacking = lacking.model_copy(update={"finish": finish})
    with pytest.raises(DownloadError, match="There is no picture") as caught:
        as_asked(lacking, options)
    assert caught.value.code == "not_as_wished"
    assert as_asked(lacking, NO_OPTIONS).finish.notes == ("A piece is missing.", "There is no picture.")


def test_a_plain_file_has_no_subtitles_of_its_own() -> None:
    assert len(unmet(found("media file"), Options(want="subtitles"))) == 1
    assert unmet(found("media"), Options(want="subtitles")) == ()
    assert unmet(found("media file"), Options(want="audio")) == ()


def test_of_metadata_nothing_is_known_yet() -> None:
    options = Options(strict=True, clip=((1.0, 2.0),))
    assert as_asked(found("torrent", "metadata"), options).finish.options == options
    with pytest.raises(DownloadError):
        as_asked(found("torrent"), options)


def test_a_checksum_goes_to_the_one_file_and_a_name_to_the_result() -> None:
    options = Options(checksum="sha-1=" + "A" * 40, name="{title} {quality}", quality=720)
    told = as_asked(found("file"), options)
    assert told.fetches[0].checksum == "sha-1=" + "a" * 40
    assert told.finish.name == "image 720p.iso"
    packed = found("file")
    packed = packed.model_copy(update={"finish": packed.finish.model_copy(update={"packed": True})})
    told = as_asked(packed, Options(checksum="sha-1=" + "A" * 40))
    assert told.fetches[0].checksum is None
    assert "packed" in told.finish.notes[0]


def test_a_magnet_that_only_aria2_looks_into_keeps_its_name() -> None:
    assert as_asked(found("torrent"), Options(name="x")).finish.name == found("torrent").finish.name


def test_what_is_one_thing_has_no_entries_to_choose_from() -> None:
    for wanted in (PlaylistOptions(mode="one"), PlaylistOptions(mode="all", limit=3)):
        assert unmet(found("media"), Options(playlist=wanted)) == ()
    (said,) = unmet(found("file"), Options(playlist=PlaylistOptions(items="2-4")))
    assert said == "The choice of entries was passed over (`playlist`): this is a file."
