"""The work of one attempt that is not aria2's: detecting, extracting, finishing, discarding."""

from __future__ import annotations

import errno
import os
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import anyio
from anyio import CancelScope, to_thread

from reactor.aria2.options import SPLIT_BYTES
from reactor.choices import Choices
from reactor.core import commands, events
from reactor.core.job import Attempt, CookieSource, derive_gid
from reactor.core.retry import CHANGED
from reactor.daemon import clock
from reactor.daemon.findings_cache import FindingsCache
from reactor.daemon.heap import give_back
from reactor.daemon.loop import Post
from reactor.daemon.prefetch import ProbeCache
from reactor.daemon.row_cookies import RowCookies, in_view_of
from reactor.daemon.versions import Version, Versions
from reactor.errors import DownloadError, Failure, ReactorError
from reactor.extractors import EXTRACTORS
from reactor.extractors.base import Context, Extractor, Reclassified, Several
from reactor.extractors.detect import detect
from reactor.extractors.findings import item_choices
from reactor.extractors.thumbnail import fetch_picture
from reactor.extractors.torrent import described
from reactor.extractors.unmet import as_asked, not_as_wished
from reactor.files.converted import converts
from reactor.files.staged_checks import OtherThing, is_made_of
from reactor.files.staging import Staging
from reactor.media.parts import BadParts
from reactor.media.room import MIB, Room, reckon
from reactor.models import NO_UPLOAD, Content, Kind, Placed, Upload
from reactor.net.credentials import for_people, same_host
from reactor.net.jar import combined
from reactor.net.urls import is_ftp
from reactor.options import Options
from reactor.plan import Brought, Detection, Extraction, HttpProbe
from reactor.programs import find_ffmpeg
from reactor.records import dataclass

TIDIED_AFTER = 100
"""So many thumbnails are made before old ones are deleted again."""
PACKAGE = Path(__file__).parents[2]
WORDS = {
    Content.PAGE: "a web page",
    Content.HLS: "an HLS playlist",
    Content.DASH: "a DASH manifest",
    Content.SMOOTH: "a manifest of Smooth Streaming, which is not supported,",
    Content.HDS: "a manifest of HTTP Dynamic Streaming, which is not supported,",
    Content.TORRENT: "a torrent",
    Content.FEED: "a feed",
    Content.METALINK: "a metalink",
    Content.XML: "an XML document",
    Content.JSON: "a JSON document",
    Content.TEXT: "a message",
}
NOT_YET = frozenset({"not_started", "not_found"})
"""What a site says of a broadcast that has not begun."""
WAIT_AGAIN_S = 5.0
JOINS_MAX = 5
"""So often the parts of a broadcast are joined anew, where segments turned out to be none."""
APART = "This comes in parts, which nobody could join where the aria2c elsewhere puts them."


async def recorded_more(so_far: Extraction, detection: Detection, context: Context) -> Extraction:
    """What has come of a broadcast since. Where its playlists are not to be had any more, its page is asked for others;
    without those it is over, and what was taken is kept."""
    from reactor.extractors.recording import BrokenOff, go_on, put_together

    try:
        return await go_on(so_far, context)
    except BrokenOff as error:
        recording, note = so_far.finish.recording, error.message
    if recording is not None and recording.url != detection.url and detection.kind in EXTRACTORS:
        with suppress(ReactorError, Reclassified, Several):
            return put_together(so_far, await EXTRACTORS[detection.kind].extract(detection, context))
    return so_far.sealed(note)


async def _nobody(media_key: str, owner: str | None, besides: int) -> Sequence[Brought]:
    return ()


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was published, as it stands there."""

    placed: Placed | None
    url: str | None
    """By FILE_URL."""


class Stages:
    """One method for each command. The outcome is posted as an event."""

    def __init__(
        self,
        context: Context,
        staging: Staging,
        ffmpeg: Path | None,
        post: Post,
        room: Room = Room(),  # noqa: B008 - frozen
        single: Callable[[str], bool | None] = lambda gid: None,
        row_cookies: RowCookies | None = None,
        find_same: Callable[[str, str | None, int], Awaitable[Sequence[Brought]]] = _nobody,
        *,
        thumbnails: bool = True,
        file_url: str = "",
    ) -> None:
        """`ffmpeg` is the setting FFMPEG_PATH; `room` is what joining may write; `single` tells of a gid whether all of
        it came through one connection, None: nobody knows. `row_cookies`: whose go with the requests of a row.
        `thumbnails`: whether a picture of each film is made; `file_url` is the setting FILE_URL."""
        self._context = context
        self._row_cookies = row_cookies or RowCookies()
        self._probe_cache = ProbeCache(context, self._row_cookies)
        self._staging = staging
        self._ffmpeg = ffmpeg
        self._post = post
        self._room = room
        self._single = single
        self._find_same = find_same
        self._with_thumbnails, self._thumbnails = thumbnails, 0
        self._file_url = file_url
        self._findings = FindingsCache()
        self.versions = Versions(context)
        """By which servers are asked whether they have the same file still."""

    async def detect(self, command: commands.Detect) -> None:
        """Stage 1."""
        await self._clear(command)
        context = self._context
        try:
            context = await self._for(command.options, command.url, command.cookies_of)
            self._post(events.Detected(command.attempt, await self._detected(command, context)))
        except DownloadError as error:
            self._post(await self._failed(command, error.failure, context))

    async def _detected(self, command: commands.Detect, context: Context) -> Detection:
        """The kind; for a row that was answered a moment ago, what was found then."""
        look = partial(detect, command.url, context)
        findings = self._findings.of(command.attempt.download_id, command.options)
        return await look() if findings is None else await findings.once(("kind", command.url), look, lambda _: 0)

    async def extract(self, command: commands.Extract) -> None:
        """Stage 2."""
        await self._clear(command)
        extractor, context = EXTRACTORS[command.detection.kind], self._context
        try:
            if command.so_far is not None:
                context = await self._for(command.options, command.detection.url, command.cookies_of)
                more = await recorded_more(command.so_far, command.detection, context)
                self._post(events.Extracted(command.attempt, more))
                return
            found = await self._probe_cache.take(command.detection, command.options, command.cookies_of)
            context = await self._for(command.options, command.detection.url, command.cookies_of)
            context = self._with_findings(replace(context, attempt=command.attempt.number), command.attempt.download_id)
            found = found or await self._begun(extractor, command, context)
            if context.http.cookies:  # which are in no plan, whatever an extractor does
                found = found.model_copy(update={"cookies": context.http.new_cookies(found.cookies)})
            found = await self._as_asked(found, command.options, command.attempt, command.cookies_of)
            if command.options.clip:
                from reactor.media.excerpt import excerpted

                found = await to_thread.run_sync(excerpted, found)
            if found.finish.how in ("media", "folder"):
                self._check_joinable(found.finish.how)
            choices = _choices(found, context)
            self._post(events.Extracted(command.attempt, found, await self._joined_size(found), choices))
        except Reclassified as other:
            self._post(events.Reclassified(command.attempt, other.detection))
        except Several as several:
            listing, options = several.listing, command.options
            choices = item_choices(listing, options) if options.ask != "never" else None
            self._post(events.Listed(command.attempt, listing, choices))
        except ReactorError as error:
            self._post(await self._failed(command, error.failure, context))

    async def _failed(
        self, command: commands.Detect | commands.Extract, failure: Failure, context: Context
    ) -> events.WorkFailed:
        """Of a row whose site wants to know who asks: with which cookies it may give it."""
        failure = in_view_of(failure, context.http.cookies)
        help = await self._row_cookies.help(failure, command.cookies_of)
        return events.WorkFailed(command.attempt, shown(failure), help=help)

    async def _begun(self, extractor: Extractor, command: commands.Extract, context: Context) -> Extraction:
        """What the extractor finds; of a broadcast that is waited for, once it has begun."""
        live = command.options.live
        until = clock.monotonic() + (live.wait_s if live is not None else 0)
        while True:
            try:
                return await extractor.extract(command.detection, context)
            except DownloadError as error:
                left_s = until - clock.monotonic()
                if live is None or left_s <= 0 or error.code not in NOT_YET:
                    raise
            await anyio.sleep(min(left_s, WAIT_AGAIN_S))

    def _with_findings(self, context: Context, id: int) -> Context:
        """The context of a row that is looked into, with what is known of it where it asks or was answered."""
        findings = self._findings.of(id, context.options)
        if findings is None:
            return context
        findings.begin()
        return replace(context, findings=findings)

    async def _as_asked(
        self, found: Extraction, options: Options, attempt: Attempt, source: CookieSource | None
    ) -> Extraction:
        """The extraction with what its row asks for. Raises DownloadError, also where the same is there already and is
        not wanted again."""
        found = as_asked(found, options, shared=self._staging.shared)
        if options.again == "new" or not found.finish.media_key:
            return found
        # Another owner's may have come with cookies that this one does not have.
        owner = source.owner if source is not None else None
        brought = await self._find_same(found.finish.media_key, owner, attempt.download_id)
        if options.again == "refuse":
            if brought:
                message = f"The same is there already: download {brought[0].download_id} has brought it."
                raise DownloadError(message, code="duplicate")
            return found
        for each in () if options.checksum else brought:
            if (not options.strict or not each.notes) and await to_thread.run_sync(self._staging.still_there, each):
                return found.model_copy(update={"finish": found.finish.model_copy(update={"reused": each})})
        return found

    async def _for(self, options: Options, url: str, source: CookieSource | None) -> Context:
        """The context of a row that asks for these, at its URL, with its cookies. Raises DownloadError."""
        context = await self._row_cookies.context(self._context, options, source)
        if headers := options.home_headers(url):
            http = replace(context.http, home_headers=partial(_at_home, url, headers))
            return replace(context, http=http)
        return context

    async def _clear(self, command: commands.Detect | commands.Extract) -> None:
        if command.clear:
            with suppress(OSError):
                await self._empty(command.attempt.download_id, keep_result=True)

    async def _joined_size(self, found: Extraction) -> int:
        """Bytes of the largest thing that joining writes, as far as can be told before."""
        if found.finish.how != "media":
            return 0
        sizes = {fetch.name: fetch.size for fetch in found.fetches if fetch.size is not None}
        written = await to_thread.run_sync(reckon, found, sizes)
        return max(written.helpers, written.result)

    def _check_joinable(self, how: str) -> None:
        """Before thousands of parts are fetched. Raises DownloadError, ProgramMissing, SettingsError."""
        if not self._staging.shared:
            raise DownloadError(APART, hint="Share the disk, and set DOWNLOAD_PATH_MAP.", code="unsupported")
        if how == "media":
            find_ffmpeg(self._ffmpeg)

    async def prefetch(self, command: commands.Prefetch) -> None:
        """Ask the next row's server already."""
        if not command.options.home_headers(command.url):  # which go to the host of its own row only
            await self._probe_cache.prefetch(command.url, command.options, command.cookies_of)

    async def finish(self, command: commands.Finish) -> None:
        """Check, put together, publish; of a magnet link's metadata: look into it."""
        extraction, download_id = command.extraction, command.attempt.download_id
        if extraction.finish.how == "metadata":
            self._post(await self._described(command))
            return
        give_back(len(extraction.fetches))  # what fetching them has left
        try:
            async with self._staging.turn(download_id):
                mixed = tuple(await self._mixed(command))
                if not mixed:
                    path, size, notes, seen = await self._published(command)
        except OtherThing as other:
            self._post(turned_out(command, other))
        except BadParts as error:
            names = frozenset(error.names)
            parts = tuple(n for n, fetch in enumerate(extraction.fetches) if fetch.name in names)
            self._post(events.WorkFailed(command.attempt, shown(error.failure), parts))
        except ReactorError as error:
            self._post(events.WorkFailed(command.attempt, shown(error.failure)))
        except OSError as error:
            self._post(events.WorkFailed(command.attempt, storage_failure(error)))
        else:
            if mixed:
                self._post(events.WorkFailed(command.attempt, CHANGED, mixed if len(extraction.fetches) > 1 else ()))
            else:
                upload = replace(await self._upload(command, Path(path)), file_url=seen.url)
                self._post(events.Finished(command.attempt, path, size, notes, upload, seen.placed))

    async def _published(self, command: commands.Finish) -> tuple[str, int, tuple[str, ...], _Seen]:
        """Make of what is there what is asked for, and publish it: path, bytes, what there is to say of it, and what
        stands there."""
        finish, download_id = command.extraction.finish, command.attempt.download_id
        folder, room = self._staging.folder(download_id), self._room.of(finish.options)
        notes, checked = finish.notes, False
        if (reused := finish.reused) is not None:
            reuse = partial(self._staging.reuse, command, reused, room.copy)
            path, size, seen = await to_thread.run_sync(self._looked_at, reuse)
            return path, size, (*notes, *(note for note in reused.notes if note not in notes)), seen
        largest = room.largest(folder) if finish.packed else None
        if is_made_of(finish) and not command.resumed and self._staging.shared:
            await to_thread.run_sync(self._staging.forget_made, command)
            if finish.how == "media":
                notes = await self._media(command, folder)
            elif converts(finish):
                source = await to_thread.run_sync(self._staging.check, command, largest)
                notes, checked = (*notes, *await self._converted(command, source)), True
            if finish.options.split_mib:
                notes, checked = (*notes, *await self._split(command, largest, checked)), True
        publish = partial(self._staging.finish, command, largest, checked=checked, notes=notes)
        path, size, seen = await to_thread.run_sync(self._looked_at, publish)
        if command.resumed:  # what was said of it when it was published, before the restart
            notes = await to_thread.run_sync(self._staging.noted, download_id) or notes
        return path, size, notes, seen

    def _looked_at(self, publish: Callable[[], tuple[str, int]]) -> tuple[str, int, _Seen]:
        """Publish it, and look at it before anybody can change it: in one turn of a thread."""
        path, size = publish()
        return path, size, _Seen(self._staging.placed(Path(path)), self._staging.url_of(path, self._file_url))

    async def _split(self, command: commands.Finish, largest: int | None, checked: bool) -> tuple[str, ...]:
        """Make pieces of what is larger than its row wants it. Returns what there is to say of it."""
        from reactor.media.pieces import split

        options = command.extraction.finish.options
        files = await to_thread.run_sync(partial(self._staging.ready, command, largest, checked=checked))
        return await split(
            lambda: find_ffmpeg(self._ffmpeg).path,
            self._staging.folder(command.attempt.download_id),
            files,
            options.split_mib * MIB,
            progress=partial(self._joined, command.attempt, 0.0, 1.0),
            room=self._room.of(options),
            strict=options.strict,
        )

    async def _upload(self, command: commands.Finish, result: Path) -> Upload:
        """What whoever uploads the result has to say of it."""
        if not self._staging.shared:
            return NO_UPLOAD
        from reactor.media.uploads import upload_of

        thumbnail = self._staging.thumbnail(command.attempt.download_id) if self._with_thumbnails else None
        said = await upload_of(
            result,
            lambda: find_ffmpeg(self._ffmpeg).path,
            thumbnail,
            split=command.extraction.finish.options.split_mib > 0,
        )
        if said.thumbnail_path is not None:
            self._thumbnails += 1
            if self._thumbnails % TIDIED_AFTER == 1:
                await to_thread.run_sync(self._staging.tidy_thumbnails, clock.wall())
        return said

    async def _media(self, command: commands.Finish, folder: Path) -> tuple[str, ...]:
        """Join the parts, make of the film what is asked for, and put its subtitles beside it. Returns what there is to
        say of it."""
        from reactor.media.ffmpeg import join
        from reactor.media.text_tracks import BESIDE, gather

        finish = command.extraction.finish
        if finish.recording is not None:
            return await self._parts(command, folder)
        joined = await join(
            find_ffmpeg(self._ffmpeg).path,
            folder,
            command.extraction,
            self._context.parsers,
            progress=partial(self._joined, command.attempt, 0.0, 0.5 if converts(finish) else 1.0),
            room=self._room.of(finish.options),
        )
        if joined.unmet and finish.options.strict:
            raise not_as_wished(joined.unmet)
        notes = (*joined.notes, *joined.unmet)
        if converts(finish) and joined.path.name != BESIDE:
            notes += await self._converted(command, joined.path, joined.begins, done=0.5)
        await to_thread.run_sync(gather, folder, finish)
        return notes

    async def _parts(self, command: commands.Finish, folder: Path, tries: int = JOINS_MAX) -> tuple[str, ...]:
        """Join each part of a broadcast by itself. A segment that is none is deleted then, and what is before it and
        behind it are parts of their own; one that cannot be joined costs the others nothing."""
        from reactor.media.ffmpeg import join
        from reactor.media.recorded import Shelf, parts_of

        finish = command.extraction.finish
        parts = await to_thread.run_sync(parts_of, command.extraction, folder)
        shelf, notes, failed = Shelf(folder, finish), list(finish.notes), list[DownloadError]()
        await to_thread.run_sync(shelf.clear)
        for n, part in enumerate(parts):
            begun, each = n / len(parts), 1 / len(parts)
            try:
                joined = await join(
                    find_ffmpeg(self._ffmpeg).path,
                    folder,
                    part,
                    self._context.parsers,
                    progress=partial(self._joined, command.attempt, begun, each),
                    room=self._room.of(finish.options),
                )
                if converts(finish):
                    alone = replace(command, extraction=part)
                    notes += await self._converted(alone, joined.path, joined.begins, done=begun)
            except BadParts as error:
                if tries:
                    return await self._parts(command, folder, tries - 1)
                failed.append(error)
                notes.append(f"Part {n + 1} of the broadcast cannot be played: {error.message}")
                continue
            notes += (*joined.notes, *joined.unmet)
            await to_thread.run_sync(shelf.put)
        if not shelf.count:
            raise failed[0] if failed else DownloadError("Nothing of the broadcast has come.", code="incomplete")
        await to_thread.run_sync(shelf.publish)
        return (*dict.fromkeys(notes), *shelf.notes())

    async def _converted(
        self, command: commands.Finish, source: Path, begins: Sequence[float] = (), *, done: float = 0.0
    ) -> tuple[str, ...]:
        """Make of a file what is asked for. Returns what there is to say of it."""
        from reactor.media.conversion import left_out
        from reactor.media.convert import convert

        options = command.extraction.finish.options
        try:
            ffmpeg = find_ffmpeg(self._ffmpeg).path
        except ReactorError as error:
            if options.strict:
                raise
            return (left_out(options, error.failure.message.rstrip(".")),)
        converted = await convert(
            ffmpeg,
            source.parent,
            source,
            command.extraction.finish,
            begins=begins,
            fetch_cover=partial(fetch_picture, self._context.http),
            progress=partial(self._joined, command.attempt, done, 1.0 - done),
            room=self._room.of(options),
        )
        return converted.notes

    async def _described(self, command: commands.Finish) -> events.Event:
        """What a magnet link stands for, by its metadata."""
        fetch, most = command.extraction.fetches[0], self._context.torrent_bytes_max
        info_hash = fetch.torrent.info_hash if fetch.torrent is not None else None
        try:
            read = partial(self._staging.metadata, command.attempt.download_id, info_hash or "", most)
            options = command.extraction.finish.options
            raw = await to_thread.run_sync(read)
            context = await self._for(options, fetch.urls[0], command.cookies_of)
            context = self._with_findings(replace(context, attempt=command.attempt.number), command.attempt.download_id)
            found = await described(fetch.urls[0], raw, context)
            found = await self._as_asked(found, options, command.attempt, command.cookies_of)
        except ReactorError as error:
            return events.WorkFailed(command.attempt, shown(error.failure))
        except OSError as error:
            return events.WorkFailed(command.attempt, storage_failure(error))
        return events.Extracted(command.attempt, found, choices=_choices(found, context))

    async def _mixed(self, command: commands.Finish) -> list[int]:
        """The numbers of the files that came in several answers and are not what stands on the server now, or of which
        that cannot be told and no validator had been asked for: what came in one answer is what it is."""
        extraction = command.extraction
        whole = extraction.finish.how == "file"
        unsure = command.resumed and not (command.said_whole and whole)
        if extraction.finish.how == "torrent" or not self._staging.shared or unsure or extraction.finish.reused:
            return []
        folder, jar, mixed = self._staging.folder(command.attempt.download_id), None, []
        for n, fetch in enumerate(extraction.fetches):
            if fetch.checksum is not None:  # aria2 has compared it
                continue
            if any(map(is_ftp, fetch.urls)):  # what an attempt has fetched of it is not continued by the next one
                continue
            went_on = self.versions.went_on(f"{folder}{os.sep}{fetch.name}")
            if went_on is None:
                went_on = whole and command.continued
            several = went_on or self._single(derive_gid(command.instance, command.attempt, n)) is False
            # Of a large one nobody can tell: there may have been enough tunnels of others for all its connections.
            large = whole and not command.single and (extraction.size or command.total) >= SPLIT_BYTES
            if not (several or large) or not (path := folder / fetch.name).is_file():
                continue
            jar = jar or combined(await self._row_cookies.of(command.cookies_of), extraction.cookies)
            found = await self.versions.of_whole(path, fetch, extraction.headers_of(fetch), jar)
            doubted = several and found is Version.UNKNOWN and not fetch.strong
            if found is Version.OTHER or doubted or (went_on and found is Version.NO_RANGES):
                mixed.append(n)
        return mixed

    def _joined(self, attempt: Attempt, done: float, more: float, share: float) -> None:
        """`share` of the step that takes what is done from `done` to so much `more`."""
        self._post(events.Joined(attempt, done + more * share))

    async def discard(self, command: commands.Discard) -> None:
        """Delete what the attempt left on the disk. What the disk refuses to delete stays until the next start
        tries it again: a row must not hang on it."""
        try:
            await self._empty(command.attempt.download_id, keep_result=command.keep_result)
        except OSError as error:
            if command.must:
                self._post(events.WorkFailed(command.attempt, storage_failure(error)))
                return
        self._post(events.Discarded(command.attempt))

    async def _empty(self, download_id: int, *, keep_result: bool) -> None:
        async with self._staging.turn(download_id):
            await to_thread.run_sync(partial(self._staging.discard, download_id, keep_result=keep_result))

    async def measure_disk(self, command: commands.MeasureDisk) -> None:
        """How much room there is, where the disk is ours to see."""
        self._post(await to_thread.run_sync(self._disk, command))

    def _disk(self, command: commands.MeasureDisk) -> events.DiskMeasured:
        # What they hold first: what is freed in between may be missed, and is not counted twice.
        held = [(id, self._staging.held(id)) for id in command.folders or ()]
        return events.DiskMeasured(self._staging.free(), None if command.folders is None else tuple(held))

    async def tidy(self, command: commands.Tidy) -> None:
        """Delete what is left of what is published, also when this is the end. What the disk refuses to delete the
        next start tries again."""
        with CancelScope(shield=True), suppress(OSError):
            await to_thread.run_sync(self._staging.tidy, command.ids)


def _at_home(home: str, headers: Mapping[str, str], url: str) -> Mapping[str, str]:
    """The headers, where a request goes to the host of the row's own URL."""
    return headers if same_host(home, url) else {}


def _choices(found: Extraction, context: Context) -> Choices | None:
    """What a row that asks is told; None while it is not known what it is."""
    if context.findings is None or not context.listing or found.finish.how == "metadata":
        return None
    return context.findings.choices(found, context.options)


def turned_out(command: commands.Finish, other: OtherThing) -> events.Event:
    """What is to become of something that arrived in place of the file."""
    extraction, found = command.extraction, WORDS[other.content]
    extracted = extraction.kind is not Kind.DIRECT
    url = next(iter(extraction.fetches[0].urls), None)
    # A page in place of the film that another page led to is no page with a film: its link has run out.
    if other.kind is not None and url is not None and not (extracted and other.content is Content.PAGE):
        seen = HttpProbe(url=url, begins=other.content)
        detection = Detection(kind=other.kind, url=url, why=f"what arrived is {found}", probe=seen)
        return events.Reclassified(command.attempt, detection)
    message = f"The server sent {found} in place of {extraction.finish.name}."
    return events.WorkFailed(command.attempt, Failure("wrong_content", message, None, extracted))


def shown(failure: Failure) -> Failure:
    """The failure, with a message that can be shown."""
    return Failure(failure.code, for_people(failure.message), failure.hint, failure.retryable, failure.retry_after_s)


def unforeseen(error: Exception) -> Failure:
    """What is said of a mistake of our own: where it was made, and nothing of what a stranger had sent."""
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if PACKAGE in Path(frame.filename).parents]
    where = f" in {Path(ours[-1].filename).name}, line {ours[-1].lineno}" if ours else ""
    message = f"A bug in reactor was hit by this link ({type(error).__name__}{where})."
    return Failure("internal", message, "Please report it, with the link.")


def storage_failure(error: OSError) -> Failure:
    """What a refusal of the disk means for a download."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Failure("no_space", "There is not enough room on the disk.", None, True)
    reason = error.strerror or type(error).__name__
    return Failure("storage", f"The download folder cannot be written: {reason}.", "Check DOWNLOAD_DIR.", True)
