"""What the machine wants of aria2, carried out: one method for each command. The outcome is posted as an event."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import TypeVar

import anyio
from anyio import to_thread

from reactor.aria2 import methods
from reactor.aria2.messages import FileStatus
from reactor.aria2.methods import Method
from reactor.aria2.options import SPLIT_BYTES, TransferPolicy, addition
from reactor.aria2.router import Aria2Router
from reactor.core import commands, events
from reactor.core.events import TransferReport
from reactor.core.retry import CHANGED
from reactor.daemon.effects.work import shown, storage_failure
from reactor.daemon.egress import Egress
from reactor.daemon.loop import Post
from reactor.daemon.row_cookies import RowCookies
from reactor.daemon.versions import Version, Versions
from reactor.egress.inner_urls import zeros_url
from reactor.errors import Aria2Error, Aria2Timeout, DownloadError, Failure
from reactor.extractors.trackers import AskTrackers, TrackerAnswer
from reactor.files.names import clean_name
from reactor.files.staging import Staging
from reactor.files.whole_parts import note_whole
from reactor.net.jar import Jar, combined
from reactor.plan import Fetch, Header, Torrent

Sent = tuple[Fetch, tuple[Header, ...], Jar]
"""A fetch, and the headers and cookies that go along with it."""
OVER = (events.TransferStatus.COMPLETE, events.TransferStatus.ERROR, events.TransferStatus.REMOVED)
T = TypeVar("T")

STOP_DEADLINE_S = 10.0
"""How long a removed transfer may take to come to a stop in aria2."""
ASKED_MAX = 1000
"""Transfers that are asked about, stopped or forgotten at once: what is asked and answered is in memory meanwhile."""
LACKING_MAX = 100
"""Files that are not whole of which the names are kept."""
ABANDON_AGAIN_S = 1.0
"""While aria2 does not answer."""
WANTED_MAX = 256
"""So many transfers are kept in mind with what goes along with them."""
TOO_MUCH = frozenset({"rate_limited", "server_error"})
"""After these a server may say for how long."""
STOP_PAUSES_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1)


async def _nobody(torrent: Torrent) -> TrackerAnswer:
    return TrackerAnswer()


class Downloading:
    """The aria2 side of the performer."""

    def __init__(
        self,
        aria2: Aria2Router,
        staging: Staging,
        policy: TransferPolicy,
        egress: Egress,
        post: Post,
        versions: Versions | None = None,
        ask_trackers: AskTrackers = _nobody,
        row_cookies: RowCookies | None = None,
    ) -> None:
        """`versions`: by which servers are asked whether a partial file may go on; None: it may. `ask_trackers`: what
        those of a torrent say of it. `row_cookies`: whose go with the requests of a row; None: nobody's."""
        self._ask_trackers = ask_trackers
        self._row_cookies = row_cookies or RowCookies()
        self._versions = versions
        self._aria2 = aria2
        self._staging = staging
        self._policy = policy
        self._egress = egress
        self._post = post
        self._sent: OrderedDict[str, Sent] = OrderedDict()
        """What is asked for by each transfer that is a row's only one."""
        self._parts: dict[str, tuple[int, str]] = {}
        """Of each transfer that is one of several of a row, by its gid: the row's id and the name of the file."""

    async def add(self, command: commands.AddTransfers) -> None:
        """Hand transfers over, in as few requests as possible."""
        attempt, numbers = command.attempt, tuple(each.n for each in command.additions)
        try:
            if not self._staging.shared and self._staging.remote_dir is None:
                self._staging.remote_dir = (await self._aria2.call(methods.get_global_option()))["dir"]
            jar = combined(await self._row_cookies.of(command.cookies_of), command.cookies)
            anew = {each.n for each in command.additions if command.wipe_staging or each.must_redownload}
            async with self._staging.turn(attempt.download_id):
                # A row that never had a folder, as most do, is not worth a thread.
                if not self._staging.shared:
                    anew |= self._unknown(command)
                elif self._staging.is_new(attempt.download_id):
                    self._begins(command, {each.n for each in command.additions})
                else:
                    begun = self._begun(command)
                    anew |= await self._stale(command, begun - anew, jar)
                    self._begins(command, {each.n for each in command.additions} - begun | anew)
                    spoilt = [each.fetch.name for each in command.additions if each.n in anew]
                    prepare = partial(
                        self._staging.prepare, attempt.download_id, fresh=command.wipe_staging, spoilt=spoilt
                    )
                    await to_thread.run_sync(prepare)
            speed = await self._speed(command.speed) if command.speed else 0
            wanted = self._wanted(command, anew, jar, speed)
        except DownloadError as error:
            self._post(events.WorkFailed(attempt, shown(error.failure)))
            return
        except OSError as error:
            self._post(events.WorkFailed(attempt, storage_failure(error)))
            return
        except Aria2Error as error:
            self._post(events.AddFailed(attempt, numbers, error.failure))
            return
        fillers = [
            methods.add_uris(each.gid, number, [zeros_url(size)])
            for each in command.additions
            for number, size in (each.fetch.torrent.pads if each.fetch.torrent is not None else ())
        ]
        wanted += fillers if self._egress.inner else []
        outcomes = (await self._batch(wanted, of_many=_of_many_small(command)))[: len(numbers)]
        added = tuple(n for n, outcome in zip(numbers, outcomes, strict=True) if not isinstance(outcome, Aria2Error))
        if added:
            self._post(events.TransfersAdded(attempt, added))
        await self._check_torrents(command, added)
        failed: dict[Failure, list[int]] = {}  # one broken connection fails all of them
        for n, outcome in zip(numbers, outcomes, strict=True):
            if isinstance(outcome, Aria2Error):
                failed.setdefault(shown(outcome.failure), []).append(n)
        for failure, which in failed.items():
            self._post(events.AddFailed(attempt, tuple(which), failure))

    async def _check_torrents(self, command: commands.AddTransfers, added: Collection[int]) -> None:
        """Fail where aria2 looks for another torrent than it was given: 1.36 loses a key of one that is v1 and v2."""
        hashes = {
            each.gid: each.fetch.torrent.info_hash
            for each in command.additions
            if each.n in added and each.fetch.torrent is not None and each.fetch.torrent.metainfo is not None
        }
        for wanted, told in zip(hashes.values(), await self._batch(list(map(methods.info_hash, hashes))), strict=True):
            if wanted is not None and isinstance(told, str) and told and told != wanted:
                error = DownloadError(
                    "This torrent is BitTorrent v1 and v2 in one, which this aria2c takes for another torrent.",
                    hint="aria2 1.37 can download it: whoever runs this can name it in ARIA2C_PATH.",
                    code="unsupported",
                )
                self._post(events.WorkFailed(command.attempt, shown(error.failure)))

    async def _speed(self, asked: int) -> int:
        """Bytes/s as a row asks for it, and no more than aria2's own configuration lets a transfer have."""
        limit = (await self._aria2.call(methods.get_global_option())).get("max-download-limit", "0")
        return min(asked, int(limit)) if limit.isdecimal() and int(limit) else asked

    def _unknown(self, command: commands.AddTransfers) -> set[int]:
        """What may be there elsewhere, where it cannot be looked at, without a validator to go on by."""
        return {each.n for each in command.additions if not each.fetch.strong and each.fetch.torrent is None}

    def _begun(self, command: commands.AddTransfers) -> set[int]:
        """The numbers of those that have a control file."""
        folder = str(self._staging.folder(command.attempt.download_id))
        return {each.n for each in command.additions if _has_control_file(folder, each.fetch.name)}

    def _begins(self, command: commands.AddTransfers, anew: Collection[int]) -> None:
        """Note what is fetched from zero."""
        if self._versions is None:
            return
        folder = str(self._staging.folder(command.attempt.download_id))
        for each in command.additions:
            if each.n in anew:
                self._versions.begins(f"{folder}{os.sep}{each.fetch.name}", alone=command.alone)

    async def _stale(self, command: commands.AddTransfers, begun: Collection[int], jar: Jar) -> set[int]:
        """The numbers of those, of what was begun, whose partial files are of no use: the server has another version of
        them, or does not let it be told. Raises DownloadError, where there is one only, when it has another one or does
        not answer."""
        stale: set[int] = set()
        folder = self._staging.folder(command.attempt.download_id)
        for each in command.additions if begun else ():
            if self._versions is None or each.n not in begun or each.fetch.torrent is not None:
                continue
            headers = () if each.fetch.headers is None else command.headers[each.fetch.headers]
            try:
                found = await self._versions.of_part(folder / each.fetch.name, each.fetch, headers, jar)
            except DownloadError:
                if command.alone:
                    raise
                found = Version.UNKNOWN
            if found is Version.OTHER and command.alone:
                raise DownloadError(CHANGED.message, hint=CHANGED.hint, code=CHANGED.code, retryable=CHANGED.retryable)
            if found is not Version.SAME:
                stale.add(each.n)
        return stale

    def _wanted(self, command: commands.AddTransfers, anew: Collection[int], jar: Jar, speed: int) -> list[Method[str]]:
        """Raises DownloadError when one of them cannot be fetched as it is described."""
        directory = self._staging.seen_by_aria2(command.attempt.download_id)
        wanted, policy, ratio = [], self._policy, command.seed_ratio
        policy = policy if ratio is None else replace(policy, seed_ratio=ratio)
        for each in command.additions:
            fetch = each.fetch
            headers = () if fetch.headers is None else command.headers[fetch.headers]
            extra = self._egress.options(fetch, each.gid, headers, jar)
            if not command.alone and self._staging.shared:
                self._parts[each.gid] = command.attempt.download_id, fetch.name
            if command.alone and fetch.torrent is None:
                self._sent[each.gid] = fetch, headers, jar
                fetch = self._handed(command, each, jar, anew=each.n in anew)
            method = addition(
                fetch if self._staging.shared else self._tamed(fetch),
                gid=each.gid,
                directory=directory,
                policy=policy,
                resuming=not command.wipe_staging and not self._is_new(command, each),
                from_zero=each.n in anew,
                single=each.single or fetch is not each.fetch,
                speed=speed,
                extra=extra,
                first=each.first,
                headers=headers,
                jar=jar,
            )
            wanted.append(method)
        while len(self._sent) > WANTED_MAX:
            self._sent.popitem(last=False)
        return wanted

    def _handed(self, command: commands.AddTransfers, each: commands.Addition, jar: Jar, *, anew: bool) -> Fetch:
        """The fetch, by the answer that is held for it where there is one."""
        url = self._egress.handed(each.fetch, from_zero=anew or self._is_new(command, each), jar=jar)
        return each.fetch if url is None else replace(each.fetch, urls=(url,))

    def _is_new(self, command: commands.AddTransfers, each: commands.Addition) -> bool:
        """True for a row's only file where nothing of it is there to go on with; of many parts none is looked at, and
        elsewhere none can be."""
        if not command.alone or not self._staging.shared:
            return False
        folder = str(self._staging.folder(command.attempt.download_id))
        return not _has_control_file(folder, each.fetch.name)

    async def ask(self, command: commands.AskStatus) -> None:
        """One batch of questions, or several where thousands are asked about: after a restart. The files are asked for
        only when something ended or began."""
        for gids in _some(command.gids):
            passed = self._egress.passed
            outcomes = await self._batch([methods.tell_status(gid, files=not command.periodic) for gid in gids])
            reports = tuple([await self._shown(each) for each in outcomes if isinstance(each, TransferReport)])
            failures = [outcome for outcome in outcomes if isinstance(outcome, Aria2Error)]
            await self._note_whole(reports)
            if reports or not failures:
                self._post(events.TransfersReported(reports, command.periodic, passed))
            if failures:
                lost = tuple(
                    gid for gid, outcome in zip(gids, outcomes, strict=True) if isinstance(outcome, Aria2Error)
                )
                self._post(events.AskFailed(lost, failures[0].failure, command.periodic))

    async def _note_whole(self, reports: Iterable[TransferReport]) -> None:
        """Parts that have arrived, before the core knows of them: what it does with their folder comes afterwards."""
        arrived: dict[int, dict[str, int]] = {}
        for report in reports:
            if report.status in OVER and (part := self._parts.pop(report.gid, None)) is not None:
                download_id, name = part
                if report.status is events.TransferStatus.COMPLETE and report.completed:
                    arrived.setdefault(download_id, {})[name] = report.completed
        for download_id, sizes in arrived.items():
            with suppress(OSError):  # then they are fetched again after a crash
                await to_thread.run_sync(note_whole, self._staging.folder(download_id), sizes)

    async def inquire(self, command: commands.Inquire) -> None:
        """Why a torrent stands still: its trackers, and which of its files are whole."""
        answer, files = await self._ask_trackers(command.torrent), tuple[FileStatus, ...]()
        if command.torrent.metainfo is not None:
            with suppress(Aria2Error):
                files = await self._aria2.call(methods.get_files(command.gid))
        lacking = [clean_name(PurePosixPath(file.path).name) for file in files if not file.whole]
        whole = tuple((file.number, file.size) for file in files if file.whole)
        self._post(events.Inquired(command.attempt, answer.refused, answer.seeds, whole, tuple(lacking[:LACKING_MAX])))

    def allow(self, command: commands.Allow) -> None:
        """Let so many bytes come."""
        self._egress.allow(command.until)

    async def widen(self, command: commands.Widen) -> None:
        """Fetch a file by more connections, or fewer."""
        with suppress(Aria2Error):  # it goes on by as many as it has
            await self._aria2.call(methods.set_connections(command.gid, command.connections))

    async def remove(self, command: commands.RemoveTransfers | commands.Fence) -> None:
        """Stop transfers, wait until they stand still, forget them."""
        try:
            await self._remove(command.gids)
        except Aria2Error as error:
            self._post(events.RemoveFailed(command.attempt, error.failure))
        else:
            self._post(events.TransfersRemoved(command.attempt))

    async def forget(self, command: commands.ForgetTransfers) -> None:
        """Drop results. A torrent that has all its bytes runs for a moment longer, and is stopped first. What
        cannot be dropped now goes with aria2's own limit."""
        for gids in _some(command.gids):
            gone = await self._batch([methods.remove_download_result(gid) for gid in gids])
            left = [gid for gid, done in zip(gids, gone, strict=True) if done is False]
            if left:
                with suppress(Aria2Error):
                    await self._remove(left)

    async def clean_up(self, command: commands.CleanUp) -> None:
        """Remove all that an attempt that is over left."""
        try:
            await self._clean_up(command)
        except Aria2Error as error:
            self._post(events.RemoveFailed(command.attempt, error.failure))
        else:
            self._post(events.CleanedUp(command.attempt))

    async def abandon(self, left: Iterable[commands.CleanUp], results: commands.ForgetTransfers) -> None:
        """Remove all that a database left which is no longer served, however long aria2 does not answer."""
        for command in left:
            while True:
                try:
                    await self._clean_up(command)
                except Aria2Error:
                    await anyio.sleep(ABANDON_AGAIN_S)
                else:
                    break
        await self.forget(results)

    async def _clean_up(self, command: commands.CleanUp) -> None:
        """Raises Aria2Error."""
        download_id = command.attempt.download_id
        await self._remove(command.gids)
        with suppress(OSError):  # what cannot be deleted stays; the row goes on
            async with self._staging.turn(download_id):
                discard = partial(self._staging.discard, download_id, keep_result=command.keep_result)
                await to_thread.run_sync(discard)

    async def _remove(self, gids: Sequence[str]) -> None:
        """Raises Aria2Error when aria2 cannot be asked, or one does not stop. Of thousands those that were begun last
        are the ones that still run."""
        for some in reversed(_some(gids)):
            await self._remove_some(some)

    async def _remove_some(self, gids: Sequence[str]) -> None:
        for gid in gids:
            self._parts.pop(gid, None)
        _certain(await self._batch([methods.force_remove(gid) for gid in gids]))
        reports = _certain(await self._batch([methods.tell_status(gid) for gid in gids]))
        followers = [gid for report in reports for gid in report.followed_by if gid not in gids]
        _certain(await self._batch([methods.force_remove(gid) for gid in followers]))
        stopping = [*gids, *followers]
        with anyio.move_on_after(STOP_DEADLINE_S):
            for pause in (*STOP_PAUSES_S, *[STOP_PAUSES_S[-1]] * int(STOP_DEADLINE_S / STOP_PAUSES_S[-1])):
                forgotten = _certain(await self._batch([methods.remove_download_result(gid) for gid in stopping]))
                left = [gid for gid, gone in zip(stopping, forgotten, strict=True) if not gone]
                reports = _certain(await self._batch([methods.tell_status(gid) for gid in left]))
                stopping = [report.gid for report in reports if report.status is not events.TransferStatus.UNKNOWN]
                if not stopping:
                    self._aria2.forget([*gids, *followers])
                    return
                # aria2 says nothing when a removed transfer that was waiting is gone, so it is asked.
                await anyio.sleep(pause)
        raise Aria2Timeout(f"aria2 did not stop {len(stopping)} transfers within {STOP_DEADLINE_S:g} s.")

    def _tamed(self, fetch: Fetch) -> Fetch:
        """With the name that it keeps where it is put."""
        return replace(fetch, name=self._staging.tame(fetch.name))

    async def _shown(self, report: TransferReport) -> TransferReport:
        """With what is known of it beyond what aria2 says."""
        if report.status is events.TransferStatus.COMPLETE:
            self._egress.settle(report.gid)
        if report.status not in OVER:
            return report
        report, sent = self._egress.explained(report), self._sent.pop(report.gid, None)
        if sent is None or self._versions is None or report.failure is None or report.failure.code not in TOO_MUCH:
            return report
        refusal = await self._versions.refusal(*sent)
        return replace(report, failure=shown(refusal)) if refusal is not None else report

    async def _batch(self, wanted: Sequence[Method[T]], *, of_many: bool = False) -> list[T | Aria2Error]:
        if not wanted:
            return []
        try:
            return await self._aria2.batch(wanted, of_many=of_many)
        except Aria2Error as error:
            return [error for _ in wanted]


def _has_control_file(folder: str, name: str) -> bool:
    return os.path.exists(f"{folder}{os.sep}{name}.aria2")  # noqa: PTH110 - asked of many, and a Path takes thrice as long


def _of_many_small(command: commands.AddTransfers) -> bool:
    """True for parts that are quickly fetched anew, as far as is known."""
    return command.of_many and all((each.fetch.size or 0) < SPLIT_BYTES for each in command.additions)


def _some(gids: Sequence[str]) -> list[Sequence[str]]:
    return [gids[first : first + ASKED_MAX] for first in range(0, len(gids), ASKED_MAX)]


def _certain(outcomes: Sequence[T | Aria2Error]) -> list[T]:
    """The outcomes, none of them an error. Raises the first error."""
    for outcome in outcomes:
        if isinstance(outcome, Aria2Error):
            raise outcome
    return [outcome for outcome in outcomes if not isinstance(outcome, Aria2Error)]
