"""Stage 2 for a metalink: a list of mirrors that have the same file (RFC 5854), and often its checksum.

Which of its mirrors live is asked first, a few at a time. With a checksum all that live are fetched from together;
without one nobody could tell whether their bytes are the same, and the best of them is the file. One that gives wrong
bytes spoils what came from all: further attempts take one mirror each, and not the first one first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field

import anyio

from reactor.errors import DownloadError
from reactor.extractors.base import Context, Reclassified, reclassified
from reactor.extractors.detect import kind_of_probe
from reactor.extractors.metalink_document import MetalinkFile, bad_metalink
from reactor.files.names import clean_name
from reactor.models import Kind
from reactor.net.credentials import HeaderSets
from reactor.net.disposition import Disposition, choose_name
from reactor.net.failures import status_failure
from reactor.net.probe import probe
from reactor.net.redirects import MagnetRedirect, follow, read_body
from reactor.net.urls import is_ftp, normalise_http
from reactor.plan import Detection, Extraction, Fetch, Finish, HttpProbe
from reactor.records import dataclass

DOCUMENT_BYTES_MAX = 4 * 1024 * 1024
AT_ONCE = 4
"""Mirrors that are asked at the same time."""
ASKED_MAX = 20
MIRRORS_MAX = 8
"""So many are given to aria2."""


class MetalinkExtractor:
    """One file that several servers have. Of several files it takes the largest; where only a torrent is named, the
    torrent."""

    kind = Kind.METALINK

    async def extract(self, detection: Detection, context: Context) -> Extraction:
        """See Extractor."""
        context.parsers.warm()
        try:
            files = await context.parsers.metalink(await _fetch(detection.url, context))
        except MagnetRedirect as magnet:
            raise Reclassified(reclassified(magnet)) from magnet
        file = max((each for each in files if each.urls or each.torrents), key=lambda each: each.size or 0)
        notes = (f"The metalink names {len(files):,} files; this is the largest one.",) if len(files) > 1 else ()
        try:
            return await _of_file(file, context, notes)
        except DownloadError:
            if not file.torrents or not context.torrents:
                raise
            why = "the metalink's torrent"
            raise Reclassified(Detection(kind=Kind.TORRENT, url=normalise_http(file.torrents[0]), why=why)) from None


@dataclass(slots=True)
class _Mirrors:
    """Those that were asked."""

    alive: list[HttpProbe] = field(default_factory=list)
    failures: list[DownloadError] = field(default_factory=list)


async def _of_file(file: MetalinkFile, context: Context, notes: tuple[str, ...]) -> Extraction:
    urls = _addresses(file.urls)
    by_http = [url for url in urls if not is_ftp(url)]
    mirrors = _Mirrors()
    for at in range(0, min(len(by_http), ASKED_MAX), AT_ONCE):
        await _ask(by_http[at : at + AT_ONCE], file.size, mirrors, context)
        if mirrors.alive:
            return _extraction(file, mirrors.alive, tuple(by_http[at + AT_ONCE :]), notes, context.attempt)
    by_ftp = tuple(url for url in urls if is_ftp(url))
    if by_ftp:  # only aria2 knows how to ask there
        name = _name(file, by_ftp[0])
        fetch = Fetch(
            urls=by_ftp[:MIRRORS_MAX] if file.checksum else by_ftp[:1],
            name=name,
            size=file.size,
            checksum=file.checksum,
        )
        return _as_file(name, fetch, notes)
    if not mirrors.failures:
        raise bad_metalink("it names no address that can be fetched")
    first, count = mirrors.failures[0], len(mirrors.failures)
    raise DownloadError(
        f"None of the {count} mirrors that were asked has the file. The first one: {first.message}"
        if count > 1
        else f"The only mirror does not have the file: {first.message}",
        hint=first.hint,
        code=first.code,
        retryable=any(each.retryable for each in mirrors.failures),
    )


def _extraction(
    file: MetalinkFile, alive: Sequence[HttpProbe], others: Sequence[str], notes: tuple[str, ...], attempt: int
) -> Extraction:
    if attempt > 1 and file.checksum is not None:
        alive, others = [alive[(attempt - 1) % len(alive)]], ()
    first, sets = alive[0], HeaderSets()
    name = _name(file, first.url)
    urls = tuple(dict.fromkeys([*(seen.url for seen in alive), *others]))[:MIRRORS_MAX]
    alone = file.checksum is None or len(urls) == 1
    fetch = Fetch(
        urls=urls[:1] if alone else urls,
        name=name,
        headers=sets.number(first.headers),
        size=first.size if first.size is not None else file.size,
        checksum=file.checksum,
        # Of several, each has its own; the checksum decides.
        validator=first.validator if alone else None,
        strong=first.strong and alone,
        by_head=first.by_head and alone,
    )
    return _as_file(name, fetch, notes).model_copy(update={"headers": sets.all, "cookies": first.cookies})


def _as_file(name: str, fetch: Fetch, notes: tuple[str, ...]) -> Extraction:
    finish = Finish(how="file", name=name, notes=notes)
    return Extraction(kind=Kind.METALINK, title=name, fetches=(fetch,), finish=finish)


def _name(file: MetalinkFile, url: str) -> str:
    """The last segment of the name, which may be a path; where there is none, as the URL has it."""
    return clean_name(file.name.rpartition("/")[2], fallback=choose_name(Disposition(), url, None))


def _addresses(urls: Sequence[str]) -> list[str]:
    """Those that are some, fit for a request."""
    found = []
    for url in urls:
        try:
            found.append(normalise_http(url))
        except DownloadError:
            continue
    return found


async def _ask(urls: Sequence[str], size: int | None, mirrors: _Mirrors, context: Context) -> None:
    """Ask these at once, and note what came, in their order. One whose file has another size than the metalink says
    comes last: sizes are mistaken in metalinks, too."""
    answers: list[HttpProbe | DownloadError | None] = [None] * len(urls)

    async def ask(place: int, url: str) -> None:
        try:
            seen = await probe(url, context.http)
            kind, why = kind_of_probe(seen)
            answers[place] = (
                seen if kind is Kind.DIRECT else DownloadError(f"It sends no file ({why}).", code="wrong_content")
            )
        except MagnetRedirect as magnet:
            answers[place] = DownloadError(f"It {magnet}.", code="bad_redirect")
        except DownloadError as error:
            answers[place] = error

    async with anyio.create_task_group() as asking:
        for place, url in enumerate(urls):
            asking.start_soon(ask, place, url)
    alive = [each for each in answers if isinstance(each, HttpProbe)]
    for seen in alive:
        context.http.client.hang_up(seen.url)  # there may be one connection for each address
    as_told = [each for each in alive if size is None or each.size in (None, size)]
    mirrors.alive += as_told or [each for each in alive if each.size == alive[0].size]
    mirrors.failures += [each for each in answers if isinstance(each, DownloadError)]


async def _fetch(url: str, context: Context) -> bytes:
    """The metalink itself."""
    too_long = bad_metalink(f"it is longer than {DOCUMENT_BYTES_MAX // 1024**2} MiB")
    async with follow("GET", url, context.http) as (_, response):
        if response.status not in (200, 203):
            raise status_failure(response.status, response.url, response.headers)
        return await read_body(response, context.http, DOCUMENT_BYTES_MAX, too_long)
