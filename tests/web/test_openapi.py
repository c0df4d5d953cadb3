"""The API's document is true: every route is in it and nothing else, and a real reactor answers as it says."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from starlette.routing import Route

from contrib.docs import document as pages
from reactor.web.api import STATIC, Page
from reactor.web.auth import Auth
from reactor.web.health import Health
from reactor.web.live import LiveRows
from reactor.web.openapi import OPERATIONS, document
from reactor.web.store import RowStore
from tests.servers import FileServer
from tests.web.visitor import TOKEN, Served, served

DATA = b"x" * 50_000
CHOICES = '{"v": 1, "formats": [{"c": "f1", "label": "720p", "pick": {"quality": 720}}]}'


def routes(tmp_path: Path) -> set[tuple[str, str]]:
    """What the application answers at the page's address."""
    store = RowStore(tmp_path / "bot.db")
    page = Page(store, LiveRows(store), Auth(TOKEN)).routes()
    found = [route for route in (*page, *Health({}).routes()) if isinstance(route, Route)]
    return {
        (route.path.replace(":str", ""), method)
        for route in found
        if route.path not in STATIC
        for method in (route.methods or {"GET"}) - {"HEAD"}
    }


def test_every_route_is_in_it_and_nothing_else(tmp_path: Path) -> None:
    told = {(path, method.upper()) for path, methods in document()["paths"].items() for method in methods}
    assert told == routes(tmp_path) == OPERATIONS.keys()


def test_the_page_in_the_repository_is_the_document() -> None:
    assert json.loads((pages.FOLDER / "openapi.json").read_text("utf-8")) == document()


def test_it_is_a_document_of_openapi() -> None:
    said = document()
    assert said["openapi"] == "3.1.0"
    schemas = said["components"]["schemas"]
    for name, schema in schemas.items():
        Draft202012Validator.check_schema(schema)
        assert "description" in schema, name
    references = set(_references(said))
    assert references == {f"#/components/schemas/{name}" for name in schemas}
    for methods in said["paths"].values():
        for operation in methods.values():
            assert operation["responses"].keys() - {"200", "204"} or operation["security"] == []


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        return [node["$ref"]] if "$ref" in node else [each for value in node.values() for each in _references(value)]
    return [each for value in node for each in _references(value)] if isinstance(node, list) else []


class Client:
    """Asks a real page, and holds each answer against the document."""

    def __init__(self, reactor: Served, said: dict[str, Any]) -> None:
        self._said = _strict(said)
        self.client = httpx.AsyncClient(base_url=reactor.address, timeout=30)
        self.seen: set[tuple[str, str, int]] = set()

    async def ask(self, method: str, path: str, template: str | None = None, *, token: str = TOKEN, **how: Any) -> Any:
        """The JSON of an answer that is as the document says; its text where that is no JSON."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        response = await self.client.request(method, path, headers=headers | how.pop("headers", {}), **how)
        return self.held_against(method, template or path.partition("?")[0], response)

    def held_against(self, method: str, template: str, response: httpx.Response) -> Any:
        """See `ask`."""
        status, kind = response.status_code, response.headers.get("content-type", "").partition(";")[0]
        self.seen.add((template, method, status))
        answers = self._said["paths"][template][method.lower()]["responses"]
        assert str(status) in answers, f"{method} {template} answers {status}: {response.text}"
        content = answers[str(status)].get("content", {})
        assert ([kind] if kind else []) == [*content], f"{method} {template} {status}: {response.text}"
        if kind != "application/json":
            return response.text
        self.check(content[kind]["schema"], response.json())
        return response.json()

    def check(self, schema: dict[str, Any], value: Any) -> None:
        """By a schema of the document."""
        whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
        Draft202012Validator(whole | {"components": self._said["components"]}).validate(value)


def _strict(said: dict[str, Any]) -> dict[str, Any]:
    """Such that a field which is not in it is an error."""
    said = copy.deepcopy(said)
    for schema in said["components"]["schemas"].values():
        schema["additionalProperties"] = False
    return said


@pytest.mark.parametrize("row", [{"id": "one"}, {}, {"more": 1}])
def test_the_check_finds_what_is_not_so(row: dict[str, Any]) -> None:
    client = Client.__new__(Client)
    client._said = _strict(document())
    with pytest.raises(Exception, match=r"is not of type|is a required property|were unexpected"):
        client.check({"$ref": "#/components/schemas/Row"}, row)


async def test_a_real_reactor_answers_as_it_says(tmp_path: Path) -> None:
    async with FileServer() as server, served(tmp_path, MAX_DOWNLOAD_RETRIES="0") as reactor:
        client = Client(reactor, document())
        async with client.client:
            await _signed_in(client)
            await _rows(client, server, reactor)
            await _errors(client)
    assert {(path, method) for path, method, _ in client.seen} == {*OPERATIONS}
    errors = {status for _, _, status in client.seen if status >= 400}
    assert errors >= {401, 403, 404, 409, 413, 415, 421, 422}


async def _signed_in(client: Client) -> None:
    assert await client.ask("GET", "/api/openapi.json") == document()
    assert "It lives" in await client.ask("GET", "/healthz", token="")
    assert "It serves" in await client.ask("GET", "/readyz", token="")
    await client.ask("GET", "/api/session")
    await client.ask("GET", "/api/session", token="")
    same = {"Origin": str(client.client.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    await client.ask("POST", "/api/session", token="", headers=same, json={"token": TOKEN})
    await client.ask("DELETE", "/api/session", token="", headers=same)
    client.client.cookies.clear()


async def _rows(client: Client, server: FileServer, reactor: Served) -> None:
    """A row of each status, in the stream and wherever else rows are."""
    slow, there = server.put("/slow.bin", DATA * 20, rate=20_000), server.put("/there.bin", DATA)
    ids = (await client.ask("POST", "/api/downloads", json={"urls": [there, server.url("/lost.bin")]}))["ids"]
    await reactor.until_final(*ids)
    (running,) = reactor.add(slow)
    await reactor.until(lambda: reactor.events("download_progressed", running))
    reactor.execute("INSERT INTO downloads(url, status) VALUES (?, 'uploaded')", there)
    reactor.execute("INSERT INTO downloads(url, status, cancelled) VALUES (?, 'cancelled', 1)", there)
    reactor.execute("INSERT INTO downloads(url, not_before) VALUES (?, 4000000000)", there)
    asks = f"INSERT INTO downloads(url, status, choices, next_attempt_at) VALUES (?, 'choosing', '{CHOICES}', 4e9)"
    reactor.execute(asks, there)
    reactor.execute(
        """INSERT INTO downloads(url, status, items_total, items_done, items_failed, error_code)
        VALUES (?, 'downloaded', 2, 1, 1, 'partial')""",
        there,
    )
    rows = {row["status"]: row["id"] for row in reactor.rows()}
    parent = max(row["id"] for row in reactor.rows())
    entry = "INSERT INTO downloads(url, status, parent_id, item_key, position) VALUES (?, 'failed', ?, 'a', 1)"
    reactor.execute(entry, there, parent)
    news = await _news(client, {"downloaded", "failed", "downloading", "uploaded", "cancelled", "pending", "choosing"})
    assert any(row["list"] for row in news)
    of_row = "/api/downloads/{id}"
    entries = await client.ask("GET", f"/api/downloads/{parent}/entries?after=0", f"{of_row}/entries")
    assert (entries["total"], [row["status"] for row in entries["rows"]]) == (1, ["failed"])
    asking = f"/api/downloads/{rows['choosing']}"
    choices = await client.ask("GET", f"{asking}/choices", f"{of_row}/choices")
    assert choices["groups"][0]["choices"][0]["code"] == "f1"
    await client.ask("POST", f"{asking}/choose", f"{of_row}/choose", json={"codes": ["nonsense"]})
    await client.ask("POST", f"{asking}/choose", f"{of_row}/choose", json={"codes": ["f1"]})
    await client.ask("POST", f"/api/downloads/{running}/cancel", f"{of_row}/cancel")
    await client.ask("POST", f"/api/downloads/{rows['failed']}/retry", f"{of_row}/retry")


async def _news(client: Client, statuses: set[str]) -> list[dict[str, Any]]:
    """The rows of the stream, once they have these statuses; each event is as the document says."""
    schema = client._said["paths"]["/api/events"]["get"]["responses"]["200"]["content"]["text/event-stream"]["schema"]
    rows: dict[int, dict[str, Any]] = {}
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with client.client.stream("GET", "/api/events", headers=headers) as stream:
        client.seen.add(("/api/events", "GET", stream.status_code))
        async for line in stream.aiter_lines():
            if not line.startswith("data: "):
                continue
            news = json.loads(line.removeprefix("data: "))
            client.check(schema, news)
            rows |= {row["id"]: row for row in news["rows"]}
            if {row["status"] for row in rows.values()} >= statuses:
                break
    return [*rows.values()]


async def _errors(client: Client) -> None:
    """What is refused."""
    of_row, much = "/api/downloads/{id}", {"Content-Type": "application/json"}
    await client.ask("GET", "/api/session", token="")
    await client.ask("GET", "/api/openapi.json", token="", headers={"Host": "evil.example"})
    await client.ask(
        "POST", "/api/downloads", token="", headers={"Origin": "http://evil.example"}, json={"urls": ["u"]}
    )
    await client.ask("POST", "/api/downloads", content=b"u", headers={"Content-Type": "text/plain"})
    await client.ask("POST", "/api/downloads", json={"urls": []})
    await client.ask("POST", "/api/downloads", json={"urls": ["http://a.example/"], "options": {"nonsense": 1}})
    await client.ask("POST", "/api/downloads", content=b" " * (1024 * 1024 + 1), headers=much)
    for method, action in (("GET", "choices"), ("POST", "cancel"), ("POST", "retry")):
        await client.ask(method, f"/api/downloads/12345/{action}", f"{of_row}/{action}")
        await client.ask(method, f"/api/downloads/abc/{action}", f"{of_row}/{action}")
    await client.ask("POST", "/api/downloads/12345/choose", f"{of_row}/choose", json={"codes": []})
    await client.ask("GET", "/api/downloads/abc/entries", f"{of_row}/entries")
    wrong = await client.client.get("/api/session", headers={"Authorization": "Bearer wrong"})
    client.held_against("GET", "/api/session", wrong)
    for method, path in (("GET", "/api/nothing"), ("PUT", "/api/downloads"), ("POST", "/api/downloads/1/explode")):
        response = await client.client.request(method, path, headers={"Authorization": f"Bearer {TOKEN}"})
        assert response.status_code in (404, 405)
        client.check({"$ref": "#/components/schemas/Error"}, response.json())
