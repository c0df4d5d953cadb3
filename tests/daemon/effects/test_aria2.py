"""What aria2 is asked and handed: how much of it at a time, and with what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from reactor.aria2.methods import Method
from reactor.aria2.options import TransferPolicy
from reactor.core import commands, events
from reactor.core.events import TransferReport, TransferStatus
from reactor.core.job import Attempt
from reactor.core.retry import UNTOLD
from reactor.daemon.effects.aria2 import ASKED_MAX, Downloading
from reactor.daemon.egress import Egress
from reactor.daemon.versions import Versions
from reactor.egress.proxy import Guard
from reactor.errors import Aria2Timeout, Failure
from reactor.extractors.base import Context
from reactor.extractors.trackers import TrackerAnswer
from reactor.files.staging import Staging
from reactor.net.client import LANGUAGES
from reactor.plan import Cookie, Fetch, Header, Torrent
from tests.core.world import one_file
from tests.servers import FileServer

ONE = Attempt(1, 1)
STATUS = "aria2.tellStatus"


class Aria2:
    """Knows nothing of what it is asked about, and does the rest; the batches of `lost` numbers get no answer."""

    def __init__(self, *lost: int, failure: Failure | None = None) -> None:
        """With `failure` all that it is asked about has failed."""
        self.batches: list[Sequence[Method[Any]]] = []
        self._lost = lost
        self._status = TransferStatus.ERROR if failure else TransferStatus.UNKNOWN
        self._failure = failure

    async def batch(self, wanted: Sequence[Method[Any]], *, of_many: bool = False) -> list[Any]:
        self.batches.append(wanted)
        if len(self.batches) - 1 in self._lost:
            return [Aria2Timeout("No answer.") for _ in wanted]
        return [
            TransferReport(gid=method.params[0], status=self._status, failure=self._failure)
            if method.name == STATUS
            else True
            for method in wanted
        ]

    def forget(self, gids: Sequence[str]) -> None:
        """It has none."""


def downloading(
    aria2: Aria2,
    folder: Path,
    heard: list[events.Event],
    guard: Guard | None = None,
    versions: Versions | None = None,
) -> Downloading:
    staging = Staging(folder, instance="test")
    return Downloading(cast("Any", aria2), staging, TransferPolicy(), Egress(guard), heard.append, versions)


@pytest.mark.fault(54)
async def test_thousands_of_transfers_are_asked_about_some_at_a_time(tmp_path: Path) -> None:
    """After a restart nobody knows which parts aria2 has. Those without an answer are told by their gids."""
    aria2, gids = Aria2(1), tuple(f"{n:016x}" for n in range(1, 2 * ASKED_MAX + 11))
    outcomes: list[events.Event] = []
    await downloading(aria2, tmp_path, outcomes).ask(commands.AskStatus(gids))
    assert [len(batch) for batch in aria2.batches] == [ASKED_MAX, ASKED_MAX, 10]
    told = [report.gid for each in outcomes if isinstance(each, events.TransfersReported) for report in each.reports]
    (failed,) = (outcome for outcome in outcomes if isinstance(outcome, events.AskFailed))
    assert failed.gids == gids[ASKED_MAX : 2 * ASKED_MAX]
    assert (*told[:ASKED_MAX], *failed.gids, *told[ASKED_MAX:]) == gids


async def test_each_transfer_is_handed_over_with_what_the_plan_has_for_it(tmp_path: Path) -> None:
    """Its set of headers, the cookies that go to its URL, and a way of its own through the guard where they are
    secret."""
    fetch = one_file().fetches[0]
    urls = "http://a.example/deep/x", "http://b.example/x", "http://c.example/x"
    fetches = [replace(fetch, urls=(url,), headers=headers) for url, headers in zip(urls, (1, 0, None), strict=True)]
    additions = tuple(commands.Addition(n, f"{n + 1:016x}", each) for n, each in enumerate(fetches))
    headers = (Header(name="Accept", value="x/y"),), (Header(name="X-Token", value="secret"),)
    cookies = (
        Cookie(name="a", value="1", domain="a.example", path="/deep"),
        Cookie(name="b", value="2", domain="b.example"),
    )
    aria2, outcomes = Aria2(), list[events.Event]()
    async with Guard() as guard:
        effects = downloading(aria2, tmp_path, outcomes, guard)
        await effects.add(commands.AddTransfers(ONE, additions, False, headers, cookies))
    assert [type(outcome) for outcome in outcomes] == [events.TransfersAdded]
    (batch,) = aria2.batches
    options = [method.params[-1] for method in batch]
    assert [each["header"] for each in options] == [
        ["X-Token: secret", "Accept: */*", f"Accept-Language: {LANGUAGES}", "Cookie: a=1"],
        ["Accept: x/y", f"Accept-Language: {LANGUAGES}", "Cookie: b=2"],
        ["Accept: */*", f"Accept-Language: {LANGUAGES}", "Cookie:"],
    ]
    ways = [each["http-proxy"].rpartition(":")[2] for each in options]
    assert len(set(ways)) == 3, "two of their own, and the one for all"


@pytest.mark.fault(54)
async def test_thousands_of_transfers_are_stopped_and_forgotten_some_at_a_time(tmp_path: Path) -> None:
    """Those that were begun last are stopped first: the others are over."""
    gids = tuple(f"{n:016x}" for n in range(1, ASKED_MAX + 11))
    aria2, outcomes = Aria2(), list[events.Event]()
    await downloading(aria2, tmp_path, outcomes).remove(commands.RemoveTransfers(ONE, gids))
    assert outcomes == [events.TransfersRemoved(ONE)]
    asked = [method.params[0] for batch in aria2.batches for method in batch if method.name == "aria2.forceRemove"]
    assert tuple(asked) == (*gids[ASKED_MAX:], *gids[:ASKED_MAX])
    assert max(len(batch) for batch in aria2.batches) == ASKED_MAX
    aria2 = Aria2()
    await downloading(aria2, tmp_path, []).forget(commands.ForgetTransfers(gids))
    assert [len(batch) for batch in aria2.batches] == [ASKED_MAX, 10]


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize(
    ("failure", "waits"),
    [(UNTOLD, 8.0), (Failure("rate_limited", "Too often.", None, True), 8.0), (Failure("not_found", "No."), None)],
)
async def test_a_server_that_had_enough_is_asked_for_how_long(
    server: FileServer, context: Context, tmp_path: Path, alone: bool, failure: Failure, waits: float | None
) -> None:
    """aria2 does not say; of one part of many nobody asks."""
    url = server.put("/a.bin", status=429, headers=(("Retry-After", "8"),))
    wanted = replace(one_file().fetches[0], urls=(url,))
    heard: list[events.Event] = []
    effects = downloading(Aria2(failure=failure), tmp_path, heard, versions=Versions(context))
    await effects.add(commands.AddTransfers(ONE, (commands.Addition(0, "1" * 16, wanted),), True, alone=alone))
    await effects.ask(commands.AskStatus(("1" * 16,)))
    told = heard[-1]
    assert isinstance(told, events.TransfersReported)
    (report,) = told.reports
    assert report.failure is not None
    if alone and waits:
        assert (report.failure.code, report.failure.retry_after_s) == ("rate_limited", waits)
        assert "it has received too many requests" in report.failure.text
    else:
        assert report.failure == failure
        assert not server.log


PADDED = Torrent(metainfo=b"d", info_hash="a" * 40, select="1,3", pads=((2, 7), (4, 9)))


@pytest.mark.parametrize("guarded", [True, False])
async def test_pad_files_come_from_the_guard_where_there_is_one(tmp_path: Path, guarded: bool) -> None:
    aria2, outcomes = Aria2(), list[events.Event]()
    addition = commands.Addition(0, "1" * 16, Fetch(name="album", size=10, torrent=PADDED))
    async with Guard() as guard:
        effects = downloading(aria2, tmp_path, outcomes, guard if guarded else None)
        await effects.add(commands.AddTransfers(ONE, (addition,), alone=True))
    assert outcomes == [events.TransfersAdded(ONE, (0,))]
    batch = aria2.batches[0]
    told = [method.params for method in batch if method.name == "aria2.changeUri"]
    zeros: list[Any] = [("1" * 16, n, [], [f"http://reactor.invalid/zeros/{size}"], 0) for n, size in PADDED.pads]
    assert told == (zeros if guarded else [])


@pytest.mark.parametrize("told", ["a", "b", ""], ids=["the same", "another one", "unsaid"])
async def test_a_torrent_that_aria2_takes_for_another_one_fails_at_once(tmp_path: Path, told: str) -> None:
    class Telling(Aria2):
        async def batch(self, wanted: Sequence[Method[Any]], *, of_many: bool = False) -> list[Any]:
            await super().batch(wanted)
            hashes = {"infoHash": told * 40} if told else {}
            return [method.read(hashes) if method.name == STATUS else "1" * 16 for method in wanted]

    outcomes: list[events.Event] = []
    torrent = Torrent(metainfo=b"de", info_hash="a" * 40)
    addition = commands.Addition(0, "1" * 16, Fetch(name="x", torrent=torrent))
    await downloading(Telling(), tmp_path, outcomes).add(commands.AddTransfers(ONE, (addition,), alone=True))
    failures = [each.failure.code for each in outcomes if isinstance(each, events.WorkFailed)]
    assert outcomes[0] == events.TransfersAdded(ONE, (0,))
    assert failures == (["unsupported"] if told == "b" else [])


async def test_why_a_torrent_stands_still(tmp_path: Path) -> None:
    class Telling(Aria2):
        async def call(self, method: Method[Any]) -> Any:
            if method.params[0] == "2" * 16:
                raise Aria2Timeout("No answer.")
            files = [{"index": "1", "path": "/x/a", "length": "5", "completedLength": "5", "selected": "true"}]
            files += [{"index": "2", "path": "/x/b\n.bin", "length": "5", "completedLength": "4", "selected": "true"}]
            return method.read([*files, {"index": "3", "path": "/x/c", "length": "5", "selected": "false"}])

    async def ask(torrent: Torrent) -> TrackerAnswer:
        return TrackerAnswer("No.", 3)

    outcomes: list[events.Event] = []
    staging = Staging(tmp_path, instance="test")
    aria2 = cast("Any", Telling())
    effects = Downloading(aria2, staging, TransferPolicy(), Egress(None), outcomes.append, ask_trackers=ask)
    for gid, torrent in (("1", PADDED), ("2", PADDED), ("1", Torrent(info_hash="a" * 40))):
        await effects.inquire(commands.Inquire(ONE, gid * 16, torrent))
    assert outcomes == [
        events.Inquired(ONE, "No.", 3, ((1, 5),), ("b .bin",)),
        events.Inquired(ONE, "No.", 3),
        events.Inquired(ONE, "No.", 3),
    ]
