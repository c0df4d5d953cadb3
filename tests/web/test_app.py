"""What is served where: over real sockets, on the table of a real database."""

from __future__ import annotations

import json
import socket
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from anyio.abc import SocketAttribute

from reactor import notices as n
from reactor.errors import SettingsError
from reactor.journal.journal import Journal
from reactor.queue import Queue
from reactor.settings import Settings
from reactor.web import api as page
from reactor.web import live as live_rows
from reactor.web import server
from reactor.web.app import Site, open_site
from reactor.web.health import Probe
from tests.database.sqlite.bot import query

TOKEN = "sixteen characters and more"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
PATIENCE_S = 30.0


async def well() -> str | None:
    return None


class Served:
    """A site on a database of its own, with a journal that tells it things."""

    def __init__(self, site: Site, queue: Queue) -> None:
        self.site = site
        self.queue = queue
        self.journal = Journal(site.sinks, now=lambda: 1_700_000_000.0)
        self.urls = [f"http://127.0.0.1:{listening.getsockname()[1]}" for listening, _ in site._served]
        self.client = httpx.AsyncClient(base_url=self.urls[-1], trust_env=False)

    def tell(self, *told: n.Notice) -> None:
        for notice in told:
            self.journal.tell(notice)

    async def add(self, url: str, **columns: Any) -> int:
        """A row by the bot's hand, and the reactor's doorbell."""
        number = await self.queue.add(url, **columns)
        self.site.on_change("file")
        return number


@asynccontextmanager
async def serving(
    folder: Path, probes: Mapping[str, Probe] | None = None, **settings: str | None
) -> AsyncIterator[Served]:
    asked = {"metrics_address": "0", "page_address": "0", "page_token": TOKEN} | settings
    async with AsyncExitStack() as stack:
        queue = await stack.enter_async_context(Queue(folder / "bot.db"))
        loaded = Settings.load(download_db=folder / "bot.db", **asked)
        site = stack.enter_context(open_site(loaded, probes or {"aria2": well, "database": well}))
        assert site is not None
        await stack.enter_async_context(site.serving())
        served = Served(site, queue)
        await stack.enter_async_context(served.client)
        with anyio.fail_after(PATIENCE_S):
            while site._store._queue is None:
                await anyio.sleep(0.01)
        yield served


@asynccontextmanager
async def reading(served: Served) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    """The events of the page, one after another."""

    async def events(answer: httpx.Response) -> AsyncIterator[dict[str, Any]]:
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))

    with anyio.fail_after(PATIENCE_S):
        async with served.client.stream("GET", "/api/events", headers=BEARER) as answer:
            assert answer.status_code == 200
            yield events(answer)


async def test_one_address_serves_all_and_nothing_else_is_told_without_a_token(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        assert len(served.urls) == 1
        await served.add("http://user:secret@host/a.bin?key=secret")
        metrics = await served.client.get("/metrics")
        assert 'reactor_queue_rows{status="pending"} 1.0' in metrics.text
        assert "host" not in metrics.text
        start = await served.client.get("/")
        assert start.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
        assert (start.headers["x-frame-options"], start.headers["x-content-type-options"]) == ("DENY", "nosniff")
        again = await served.client.get("/", headers={"If-None-Match": start.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        for method, path in (("GET", "/api/events"), ("POST", "/api/downloads"), ("POST", "/api/downloads/1/cancel")):
            assert (await served.client.request(method, path)).status_code in (401, 403)
        assert (await served.client.get("/api/../../etc/passwd")).status_code == 404


async def test_a_queued_row_says_where_it_stands(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        for owner, priority in (("ann", 0), ("ann", 2), ("bob", 0)):
            await served.queue.add("http://host/a", owner=owner, priority=priority)
        await served.queue.add("http://host/later", not_before=4e9)
        async with reading(served) as events:
            first = {row["id"]: row for row in (await anext(events))["rows"]}
            query(tmp_path / "bot.db", "DELETE FROM downloads WHERE id = 2")
            served.site.on_change("file")
            told = await anext(events)
    assert {id: row["place"] for id, row in first.items()} == {2: 0, 3: 1, 1: 2, 4: 3}
    assert [first[id]["waits"] for id in (3, 4)] == [
        "No reactor serves it now; 1 are before it.",
        "No reactor serves it now; 3 are before it.",
    ]
    assert {row["id"]: row["place"] for row in told["rows"]} == {1: 0, 4: 2}


async def test_two_addresses(tmp_path: Path) -> None:
    async with serving(tmp_path, metrics_address="127.0.0.1:0", page_address="[::1]:0") as served:
        assert [line.partition("http")[0] for line in served.site.lines] == ["metrics are at ", "the page is at "]
        assert served.site.lines[1].endswith("/"), "a token of one's own is not printed"
        metrics, paged = (line.split()[-1] for line in served.site.lines)
        assert (await served.client.get(metrics)).status_code == 200
        assert (await served.client.get(metrics.replace("metrics", "page.js"))).status_code == 404
        assert (await served.client.get(f"{paged}page.js")).status_code == 200
        assert (await served.client.get(f"{paged}metrics")).status_code == 404
        assert (await served.client.get(f"{paged}healthz")).status_code == 200


async def test_a_token_is_made_and_told_where_none_is_set(tmp_path: Path) -> None:
    async with serving(tmp_path, page_token=None) as served:
        url, _, token = served.site.lines[-1].split()[-1].partition("#token=")
        answer = await served.client.post(
            f"{url}api/session", json={"token": token}, headers={"Origin": url.rstrip("/")}
        )
        assert answer.status_code == 204
        assert "Secure" not in answer.headers["set-cookie"]
        assert (await served.client.get("/api/session")).status_code == 204
        await served.client.delete("/api/session", headers={"Origin": url.rstrip("/")})
        assert (await served.client.get("/api/session")).status_code == 401


async def test_who_signs_out_is_out_with_a_kept_cookie_too_and_after_a_restart(tmp_path: Path) -> None:
    async def session(served: Served, cookie: str) -> int:
        async with httpx.AsyncClient(trust_env=False, base_url=served.urls[-1]) as client:
            return (await client.get("/api/session", headers={"Cookie": cookie})).status_code

    async with serving(tmp_path) as served:
        origin = {"Origin": served.urls[-1]}
        cookies = []
        for _ in range(2):
            answer = await served.client.post("/api/session", json={"token": TOKEN}, headers=origin)
            cookies.append(answer.headers["set-cookie"].partition(";")[0])
        served.client.cookies.clear()
        stolen, other = cookies
        with anyio.fail_after(PATIENCE_S):
            async with served.client.stream("GET", "/api/events", headers={"Cookie": stolen}) as stream:
                lines = stream.aiter_lines()
                await anext(lines)
                ended = await served.client.delete("/api/session", headers=origin | {"Cookie": stolen})
                assert ended.status_code == 204
                assert [line async for line in lines][-1:] == [""], "what it has open ends"
        assert (await session(served, stolen), await session(served, other)) == (401, 204)
    async with serving(tmp_path) as served:
        with anyio.fail_after(PATIENCE_S):
            while await session(served, stolen) != 401:
                await anyio.sleep(0.01)
        assert await session(served, other) == 204


async def test_health(tmp_path: Path) -> None:
    sentence: str | None = "aria2 did not answer."

    async def probe() -> str | None:
        return sentence

    async with serving(tmp_path, {"aria2": probe, "database": well}, page_address=None) as served:
        ready = await served.client.get("/readyz")
        assert (ready.status_code, ready.text) == (503, "aria2 did not answer.\n")
        sentence = None
        assert (await served.client.get("/readyz")).status_code == 200
        served.tell(n.DatabaseTroubled(reason="The disk is gone."), n.Aria2Lost(reason="closed."))
        ready = await served.client.get("/readyz")
        assert (ready.status_code, ready.text) == (503, "aria2 cannot be reached: closed. The disk is gone.\n")
        assert (await served.client.get("/healthz")).status_code == 200
        served.tell(n.DatabaseRecovered(), n.Aria2Connected(version="1", url="u"))
        assert (await served.client.get("/readyz")).status_code == 200
        served.tell(n.ReactorStopped(reason="SIGTERM"))
        assert (await served.client.get("/readyz")).text == "It is stopping.\n"


async def test_the_board_and_what_changes(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        one = await served.add("http://user:secret@host/a%20b.bin?key=secret", status="downloading", stage="fetching")
        async with reading(served) as events:
            first = await anext(events)
            assert first["all"]
            assert [(row["id"], row["name"], row["url"]) for row in first["rows"]] == [
                (one, "a b.bin", "http://host/a%20b.bin?key=…")
            ]
            state = {"queued": 0, "under_way": 1, "failed": 0, "trouble": None}
            assert first["state"] == state | {"shown_max": live_rows.SHOWN_MAX}
            served.tell(n.DownloadProgressed(download_id=one, progress=12.5, completed=10, size=80, speed=7, eta_s=10))
            (row,) = (await anext(events))["rows"]
            assert [row[name] for name in ("progress", "completed", "size", "speed", "eta")] == [12.5, 10, 80, 7, 10]
            two = await served.add("magnet:?xt=urn:btih:aa&dn=A%20film&tr=http://tracker/passkey")
            news = await anext(events)
            assert not news["all"]
            assert [row["id"] for row in news["rows"]] == [two], "only what is new"
            assert "passkey" not in json.dumps(news)
            assert await served.queue.cancel(two)
            served.site.on_change("file")
            assert [row["cancelling"] for row in (await anext(events))["rows"]] == [True]
            with closing(sqlite3.connect(tmp_path / "bot.db")) as table, table:
                table.execute("DELETE FROM downloads WHERE id = ?", (two,))
            served.site.on_change("file")
            assert (await anext(events))["gone"] == [two]
        async with reading(served) as events:
            assert [row["id"] for row in (await anext(events))["rows"]] == [one]


async def test_wishes(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:

        async def post(path: str, **body: Any) -> tuple[int, str]:
            answer = await served.client.post(path, headers=BEARER, **body)
            return answer.status_code, answer.text

        assert await post("/api/downloads", json={"urls": [" http://host/a ", "b"]}) == (200, '{"ids":[1,2]}')
        assert [row.url for row in await served.queue.list()] == ["http://host/a", "b"]
        assert await post("/api/downloads/1/cancel") == (204, "")
        assert (await post("/api/downloads/1/retry"))[0] == 409
        assert (await post("/api/downloads/7/cancel"))[0] == 409
        assert (await post("/api/downloads/1/delete"))[0] == 404
        assert (await post("/api/downloads/x/cancel"))[0] == 404
        assert (await post(f"/api/downloads/{2**63}/cancel"))[0] == 404
        wrongs: list[Any] = [{"urls": []}, {"urls": [" "]}, {"urls": ["x"] * 101}, {"urls": "x"}, {}, [1]]
        for wrong in wrongs:
            assert (await post("/api/downloads", json=wrong))[0] == 422, wrong
        assert (await post("/api/downloads", data={"urls": "x"}))[0] == 415
        assert (await post("/api/downloads", json={"urls": ["x" * 20_000]}))[0] == 422
        assert (await post("/api/downloads", json={"urls": ["x" * 10_000] * 110}))[0] == 413
        assert len(await served.queue.list()) == 2


async def test_a_database_that_is_gone_is_said_and_found_again(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        await served.add("http://host/a")
        async with reading(served) as events:
            assert len((await anext(events))["rows"]) == 1
            for name in ("bot.db", "bot.db-wal", "bot.db-shm"):
                (tmp_path / name).rename(tmp_path / f"away-{name}")
            served.site.on_change("poll")
            assert "is gone" in (await anext(events))["state"]["trouble"]
            answer = await served.client.post("/api/downloads", json={"urls": ["x"]}, headers=BEARER)
            assert answer.status_code == 503
            assert "reactor_queue_oldest_seconds NaN" in (await served.client.get("/metrics")).text
            for name in ("bot.db", "bot.db-wal", "bot.db-shm"):
                (tmp_path / f"away-{name}").rename(tmp_path / name)
            assert (await anext(events))["state"]["trouble"] is None


async def test_a_viewer_who_does_not_read_holds_nothing_up_and_is_sent_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "STALL_S", 1.0)
    async with serving(tmp_path) as served:
        rows = [
            await served.add(
                f"http://host/{n}", status="downloading", stage="fetching", title="t" * 200, error="e" * 600
            )
            for n in range(40)
        ]
        async with await anyio.connect_tcp("127.0.0.1", int(served.urls[0].rpartition(":")[2])) as stalled:
            stalled.extra(SocketAttribute.raw_socket).setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            await stalled.send(
                f"GET /api/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
            )
            async with reading(served) as events:
                assert len((await anext(events))["rows"]) == len(rows)
                with anyio.fail_after(PATIENCE_S):
                    live_rows = served.site.sinks[-1].args[0].__self__  # type: ignore[attr-defined]
                    count = 0
                    while live_rows.viewers == 2:  # the stalled one stays until its socket is full
                        count += 1
                        served.tell(
                            *(n.DownloadProgressed(download_id=id, completed=count, speed=count) for id in rows)
                        )
                        told = {row["completed"] for row in (await anext(events))["rows"]}
                        assert told == {count}, "the other one gets each"
                assert live_rows.viewers == 1


async def test_too_many_viewers_are_asked_to_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "VIEWERS_MAX", 1)
    async with serving(tmp_path) as served, reading(served) as events:
        await anext(events)
        assert (await served.client.get("/api/events", headers=BEARER)).status_code == 503


@pytest.mark.parametrize("variable", ["METRICS_ADDRESS", "PAGE_ADDRESS"])
def test_a_port_that_is_taken_is_one_sentence(tmp_path: Path, variable: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        settings = Settings.load(download_db=tmp_path / "bot.db", **{variable.lower(): address})
        with pytest.raises(SettingsError, match=f"{variable}: nothing can be served at {address}: Address already in"):
            open_site(settings, {}).__enter__()


def test_others_need_a_token_that_was_chosen(tmp_path: Path) -> None:
    everywhere = {"download_db": tmp_path / "bot.db", "page_address": "0.0.0.0:0"}
    with pytest.raises(SettingsError, match="needs a token of your own"):
        open_site(Settings.load(**everywhere), {}).__enter__()
    with open_site(Settings.load(**everywhere, page_token=TOKEN), {}) as site:
        assert site is not None
        assert site.lines[0].startswith("the page is at http://127.0.0.1:")


@pytest.mark.parametrize("value", ["x", "host:", "1.2.3.4:99999", "::1:80", "http://host:80", "a b:80"])
def test_an_address_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(SettingsError, match=r"PAGE_ADDRESS .*: takes HOST:PORT"):
        Settings.load(page_address=value)


def test_a_token_that_is_short_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"PAGE_TOKEN .*: takes 16 characters or more"):
        Settings.load(page_token="short")


def test_nothing_is_served_unless_asked_for() -> None:
    with open_site(Settings.load(), {}) as site:
        assert site is None
