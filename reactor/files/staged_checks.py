"""Whether what stands in a row's staging folder is what is to be published: all of it, and nothing else.

Pure functions of the disk; `staging` says where things are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from reactor.errors import DownloadError
from reactor.files.content import HEAD_BYTES, turns_out
from reactor.files.converted import converts
from reactor.files.publish import link_or_copy
from reactor.models import Content, Kind
from reactor.plan import Extraction, Finish

CONTROL_SUFFIXES = (".aria2", ".aria2__temp")
"""What aria2 keeps beside a file that is not complete."""


class FilesMissing(DownloadError):
    """aria2 reported completion, but the bytes are missing."""

    code = "files_missing"
    retryable_by_default = True


class OtherThing(Exception):
    """The file is not what was expected: it is `content`, which URLs of `kind` lead to; None: none does."""

    def __init__(self, content: Content, kind: Kind | None) -> None:
        super().__init__(content)
        self.content = content
        self.kind = kind


class AttemptOfRow(Protocol):
    """Of an attempt, what staging needs."""

    @property
    def download_id(self) -> int: ...


class StagedFiles(Protocol):
    """What is known of an attempt's files when they are to be published: `commands.Finish`."""

    @property
    def attempt(self) -> AttemptOfRow: ...
    @property
    def extraction(self) -> Extraction: ...
    @property
    def files(self) -> tuple[tuple[str, ...], ...]:
        """The paths that aria2 reported for each fetch."""

    @property
    def total(self) -> int:
        """Bytes that aria2 reported; 0 when it did not."""

    @property
    def keep(self) -> bool:
        """Leave the staged files in place: they are being seeded."""

    @property
    def inside(self) -> str:
        """The folder in DOWNLOAD_DIR that the result is put into; empty: none."""

    @property
    def resumed(self) -> bool:
        """After a restart: only what is certainly whole is published."""

    @property
    def said_whole(self) -> bool:
        """aria2 had reported all bytes before the restart."""

    @property
    def presumed(self) -> bool:
        """aria2 was not asked how many there are."""


def is_certain(source: Path, command: StagedFiles) -> bool:
    """True when aria2 had said before the restart that it was all there, and the row has that on record: neither its
    size nor the lack of a control file tells that a file is whole."""
    finish = command.extraction.finish
    as_it_came = finish.how == "file" and not is_made_of(finish)
    return command.said_whole and as_it_came and source.is_file()


def is_made_of(finish: Finish) -> bool:
    """True if something else may be made of what came."""
    return finish.how == "media" or converts(finish) or finish.options.split_mib > 0


def was_described(extraction: Extraction) -> bool:
    """True for a torrent that was looked into before it was fetched."""
    torrent = extraction.fetches[0].torrent
    return torrent is not None and torrent.metainfo is not None


def check_whole(source: Path, command: StagedFiles, wanted: frozenset[Path] | None) -> None:
    """Never publish what is not whole: aria2's word is not enough, a 200 may have been cut short.

    A torrent's control file stays until it is no longer served; that it has all its bytes its hashes say."""
    suffixes = () if command.extraction.finish.how == "torrent" else CONTROL_SUFFIXES
    if not source.exists() or any(source.with_name(source.name + suffix).exists() for suffix in suffixes):
        raise FilesMissing("aria2c said it was done, but the file is not there as a whole.")
    if wanted is not None and not (wanted and all(path.is_file() for path in wanted)):
        raise FilesMissing("aria2c said it was done, but not all files are there.")
    promised = command.extraction.size if command.extraction.finish.how == "file" else None
    # What answered the fetch knows its length; what was said before of something made anew for each is a hint. A
    # torrent's own word counts: where not all of it is wanted aria2 counts whole pieces.
    size = command.extraction.size if was_described(command.extraction) else command.total or promised
    there = size_of(source, wanted)
    if size is not None and there != size:
        if command.presumed:
            raise FilesMissing(f"aria2c said it was done, but the file has {there} bytes instead of {size}.")
        raise DownloadError(f"The file has {there} bytes instead of {size}.", code="changed", retryable=True)


def collect(folder: Path, target: Path, extraction: Extraction) -> None:
    """Put the files of one folder into it, as links: they stay where aria2 would look for them. What a crash has left
    of it is gone on with. Raises FilesMissing, DownloadError (`wrong_content`), OSError."""
    target.mkdir(exist_ok=True)
    for fetch in extraction.fetches:
        source, twin = folder / fetch.name, target / fetch.name
        if not source.is_file() or any((folder / (fetch.name + suffix)).exists() for suffix in CONTROL_SUFFIXES):
            raise FilesMissing("aria2c said it was done, but not all files are there.")
        with source.open("rb") as file:
            if turns_out(fetch.name, file.read(HEAD_BYTES)) is not None:
                message = f"The server sent something else in place of {fetch.name}."
                raise DownloadError(message, code="wrong_content", retryable=True)
        if not twin.exists() or not twin.samefile(source):
            twin.unlink(missing_ok=True)
            link_or_copy(source, twin)


def look_into(source: Path, command: StagedFiles) -> None:
    """Raises OtherThing when the first bytes are those of something else than the name promises."""
    with source.open("rb") as file:
        found = turns_out(command.extraction.finish.name, file.read(HEAD_BYTES))
    if found is not None:
        raise OtherThing(*found)


def size_of(path: Path, wanted: frozenset[Path] | None = None) -> int:
    if wanted is not None:
        return sum(each.stat().st_size for each in wanted)
    if path.is_dir():
        return sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
    return path.stat().st_size
