"""What a row asks for, put into what was found; and what is said of the options that do not apply to it.

The only place that knows: a feature that honours a key, or honours it for more, says so in APPLIES.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from reactor.errors import DownloadError
from reactor.extractors.media_keys import media_key
from reactor.files.converted import may_be_media
from reactor.files.name_template import fill_template
from reactor.files.names import clean_name, split_suffix
from reactor.models import Kind
from reactor.options import NO_OPTIONS, Options
from reactor.plan import NO_ABOUT, Extraction
from reactor.records import dataclass

What = Literal["file", "media file", "torrent", "stream", "media", "broadcast", "list"]
"""A file; a file that is a film or sound by its name, or that may be; what a torrent holds; what a manifest or a page
offers as media, of which nobody tells more; the same of a site that does; what is recorded while it runs; what stands
for several things."""
NAMES: Mapping[What, str] = {
    "file": "a file",
    "media file": "a file as it is",
    "torrent": "a torrent",
    "stream": "a stream of which no site tells more",
    "media": "a video or sound of a site",
    "broadcast": "a broadcast that is recorded",
    "list": "a list",
}
NOTHING: frozenset[What] = frozenset()
TOLD: frozenset[What] = frozenset({"media"})
FILMS: frozenset[What] = frozenset({"media", "stream"})
MEDIA: frozenset[What] = FILMS | {"broadcast"}
MEDIA_FILES: frozenset[What] = MEDIA | {"media file"}
BROADCASTS: frozenset[What] = frozenset({"broadcast"})
FILES: frozenset[What] = frozenset({"file", "media file"})
LISTS: frozenset[What] = frozenset({"list"})
TORRENTS: frozenset[What] = frozenset({"torrent"})
ALL: frozenset[What] = frozenset(NAMES)
SITES = frozenset({Kind.YTDLP, Kind.PLAYWRIGHT})


@dataclass(frozen=True, slots=True)
class Applies:
    """Where a key is honoured."""

    words: str
    """What was asked for, as the beginning of a sentence, up to its verb."""
    to: frozenset[What] = NOTHING
    """Nothing: it is not built."""
    unless: frozenset[Kind] = frozenset()
    """Found in these ways it is passed over all the same."""


APPLIES: Mapping[str, Applies] = {
    "want": Applies("That only this part of it is wanted was", MEDIA_FILES),
    "quality": Applies("The quality was", MEDIA),
    "codec": Applies("The codec was", MEDIA),
    "container": Applies("The container was", MEDIA),
    "format": Applies("The format was", MEDIA),
    "language": Applies("The language was", MEDIA),
    "audio": Applies("The form of the sound was", MEDIA_FILES),
    "subtitles": Applies("The subtitles were", FILMS),
    "thumbnail": Applies("The thumbnail was", MEDIA_FILES),
    "chapters": Applies("The chapters were", TOLD),
    "sponsorblock": Applies("The parts that viewers have marked were", TOLD),
    "clip": Applies("The clip was", FILMS | {"media file"}),
    "cut": Applies("The kind of cut was", FILMS | {"media file"}),
    "live": Applies("The time of recording was", BROADCASTS),
    "playlist": Applies("The choice of entries was", LISTS),
    "files": Applies("The choice of files was", TORRENTS),
    "name": Applies("The name was", ALL),
    "speed_kib": Applies("The limit of the speed was", ALL),
    "max_mib": Applies("The limit of the size was", ALL),
    "checksum": Applies("The checksum was", FILES),
    "again": Applies("What is to become of the same thing again was", ALL),
    "ask": Applies("The question was", ALL),
    "unanswered": Applies("What is to become of a question without an answer was", ALL),
    "split_mib": Applies("The size of the pieces was", ALL),
    "cookies": Applies("The cookies were", ALL),
    "referer": Applies("The referer was", ALL, unless=SITES),
    "use": Applies("The presets were", ALL),
    "strict": Applies("The strictness was", ALL),
}
"""Each key of Options."""


OF_FILMS = ("subtitles", "chapters", "sponsorblock", "clip")
"""What is made of a film as a whole: not of a broadcast, of which nobody knows how long it will be."""


def what_is(found: Extraction) -> What:
    """What there is to fetch."""
    if found.kind is Kind.TORRENT:
        return "torrent"
    if found.finish.how == "folder":
        return "file"
    if found.finish.recording is not None:
        return "broadcast"
    if found.finish.how == "file" and found.kind not in SITES:
        return "media file" if may_be_media(found.finish) else "file"
    return "media" if found.finish.about != NO_ABOUT else "stream"


def unmet(found: Extraction, options: Options) -> tuple[str, ...]:
    """A sentence about each option that does not apply to what was found."""
    what = what_is(found)
    asked = (key for key in APPLIES if getattr(options, key) != getattr(NO_OPTIONS, key))
    return tuple(
        _sentence(APPLIES[key], key, what)
        for key in asked
        if what not in _to(key, options) or found.kind in APPLIES[key].unless
    )


def _to(key: str, options: Options) -> frozenset[What]:
    """What a key applies to, as this row has it: a plain file has no subtitles that could be fetched alone, and what is
    one thing is all there is of it."""
    if key == "playlist" and options.playlist.items is None and not options.playlist.keys:
        return ALL
    return FILMS if key == "want" and options.want == "subtitles" else APPLIES[key].to


def _sentence(applies: Applies, key: str, what: What) -> str:
    because = f"this is {NAMES[what]}" if applies.to else "that is not supported"
    return f"{applies.words} passed over (`{key}`): {because}."


def as_asked(found: Extraction, options: Options, *, shared: bool = True) -> Extraction:
    """The extraction with what its row asks for. Raises DownloadError (`not_as_wished`) where the options are strict
    and one of them cannot be met. Of a magnet link that is not looked into yet nothing is known. `shared` is False
    where what is fetched cannot be seen from here."""
    key = media_key(found, options)
    if key:
        found = found.model_copy(update={"finish": found.finish.model_copy(update={"media_key": key})})
    if options is NO_OPTIONS and not found.finish.unmet:
        return found
    lacks = found.finish.unmet
    if found.finish.how != "metadata":
        found, unchecked = _with_checksum(_named(found, options), options)
        lacks = (
            *lacks,
            *unchecked,
            *_again(options, key),
            *(() if shared else _unseen(options)),
            *unmet(found, options),
        )
    if options.strict and lacks:
        raise not_as_wished(lacks)
    asked = options.plain()
    if found.finish.recording is not None:
        asked = asked.model_copy(update={key: getattr(NO_OPTIONS, key) for key in OF_FILMS})
    told = {"options": asked, "notes": (*found.finish.notes, *lacks), "unmet": ()}
    return found.model_copy(update={"finish": found.finish.model_copy(update=told)})


def _again(options: Options, key: str) -> tuple[str, ...]:
    """What is said where it cannot be told whether it is there already."""
    if options.again != "new" and not key:
        return ("Whether the same is there already cannot be told (`again`).",)
    return ()


def _unseen(options: Options) -> tuple[str, ...]:
    """What is said of files on the disk of an aria2c elsewhere."""
    split = ("The size of the pieces was passed over (`split_mib`): the files are elsewhere.",)
    reuse = ("It was downloaded anew (`again`): what is there already is elsewhere.",)
    return (*(split if options.split_mib else ()), *(reuse if options.again == "reuse" else ()))


def _named(found: Extraction, options: Options) -> Extraction:
    """Under the name that is asked for. Of what aria2 alone looks into only aria2 knows the name."""
    torrent = found.fetches[0].torrent
    if options.name is None or (torrent is not None and torrent.metainfo is None):
        return found
    finish, about = found.finish, found.finish.about
    title = found.title or about.title
    values = {
        "title": split_suffix(finish.name)[0] if not title or title == finish.name else title,
        "id": about.id,
        "uploader": about.uploader,
        "date": about.date,
        "quality": f"{options.quality}p" if isinstance(options.quality, int) else "",
    }
    # A folder has no suffix, whatever its name looks like.
    name = fill_template(options.name, values, "" if torrent is not None and torrent.folder else finish.name)
    name = clean_name(name, fallback=finish.name)
    return found.model_copy(update={"finish": finish.model_copy(update={"name": name})})


def _with_checksum(found: Extraction, options: Options) -> tuple[Extraction, tuple[str, ...]]:
    """aria2 checks the one file; of one that is sent packed it would be that of the packed one."""
    if options.checksum is None or what_is(found) not in FILES:
        return found, ()
    if found.finish.packed or len(found.fetches) != 1:
        why = "the server sends the file packed" if found.finish.packed else "there are several files"
        return found, (f"The checksum was passed over (`checksum`): {why}.",)
    fetch = replace(found.fetches[0], checksum=options.checksum.lower())
    return found.model_copy(update={"fetches": (fetch,)}), ()


def not_as_wished(lacks: tuple[str, ...]) -> DownloadError:
    """What a row with strict options fails with."""
    return DownloadError(" ".join(lacks), hint="Without `strict` it is downloaded all the same.", code="not_as_wished")
