"""https in front of the page: nginx as contrib/proxy has it, and as it is without being told anything."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import trustme

from tests.real.swarm import free_port
from tests.tools import tool
from tests.web.test_app import PATIENCE_S, TOKEN, serving

RECIPE = Path(__file__).parents[2] / "contrib" / "proxy" / "README.md"
NAME = "get.example"


def recipe() -> str:
    found = re.search(r"```nginx\n(.*?)```", RECIPE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


def as_it_comes() -> str:
    """nginx as somebody writes it who has read nothing."""
    return re.sub(r"proxy_(http_version|set_header|buffering)[^;]*;", "", recipe())


@asynccontextmanager
async def in_front(server: str, folder: Path, page: int) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody's browser, and the proxy between it and the page: nginx, or what does the least of it."""
    authority, port = trustme.CA(), free_port()
    certificate = authority.issue_cert(NAME)
    certificate.private_key_and_cert_chain_pem.write_to_path(str(folder / "both.pem"))
    program = tool("nginx")
    async with anyio.create_task_group() as tasks:
        if program is None:
            tasks.start_soon(_stand_in, folder / "both.pem", port, page, "$http_host" in server)
        else:
            _configure(server, folder, port, page)
            tasks.start_soon(_nginx, program, folder)
        trust = ssl.create_default_context()
        authority.configure_trust(trust)
        transport = httpx.AsyncHTTPTransport(verify=trust)
        async with httpx.AsyncClient(transport=_Resolved(transport), base_url=f"https://{NAME}:{port}") as client:
            with anyio.fail_after(PATIENCE_S):
                while not await _answers(client):
                    await anyio.sleep(0.05)
            yield client
        tasks.cancel_scope.cancel()


class _Resolved(httpx.AsyncBaseTransport):
    """Finds the name on this machine."""

    def __init__(self, transport: httpx.AsyncHTTPTransport) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions["sni_hostname"] = NAME
        request.url = request.url.copy_with(host="127.0.0.1")
        return await self._transport.handle_async_request(request)

    async def aclose(self) -> None:
        await self._transport.aclose()


async def _answers(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/page.js")).status_code == 200
    except httpx.TransportError:
        return False


def _configure(server: str, folder: Path, port: int, page: int) -> None:
    ours = server.replace("listen 443", f"listen 127.0.0.1:{port}").replace("127.0.0.1:8080", f"127.0.0.1:{page}")
    ours = re.sub(r"/etc/ssl/get\.example\.\w+", str(folder / "both.pem"), ours)
    places = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi"))
    places += "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in ("uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{ access_log off;\n{places}{ours}}}\n"
    )


async def _nginx(program: str, folder: Path) -> None:
    process = await asyncio.create_subprocess_exec(program, "-p", str(folder), "-c", str(folder / "nginx.conf"))
    try:
        assert await process.wait() == 0, (folder / "error.log").read_text()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        with anyio.CancelScope(shield=True):
            await process.wait()


async def _stand_in(certificate: Path, port: int, page: int, as_asked: bool) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, out = await asyncio.open_connection("127.0.0.1", page)
        head = await reader.readuntil(b"\r\n\r\n")
        host = rb"\1" if as_asked else f"Host: 127.0.0.1:{page}".encode()
        head = re.sub(rb"(?i)(host: [^\r]*)", host, head, count=1)
        out.write(re.sub(rb"(?i)connection: [^\r]*", b"Connection: close", head))
        length = re.search(rb"(?i)content-length: (\d+)", head)
        out.write(await reader.readexactly(int(length[1]) if length else 0))
        while data := await there.read(65536):
            writer.write(data)
        for each in (writer, out):
            each.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port, ssl=context)
    async with server:
        await server.serve_forever()


@pytest.mark.parametrize("server", [recipe(), as_it_comes()], ids=["the recipe", "as it comes"])
async def test_a_browser_behind_https(tmp_path: Path, server: str) -> None:
    folder = tmp_path / "nginx"
    folder.mkdir()
    async with serving(tmp_path, page_hosts=NAME) as served:
        page = int(served.urls[0].rpartition(":")[2])
        async with in_front(server, folder, page) as browser:
            origin = str(browser.base_url).rstrip("/")
            own: dict[str, Any] = {"headers": {"Origin": origin, "Sec-Fetch-Site": "same-origin"}}
            opened = await browser.post("/api/session", json={"token": TOKEN}, **own)
            assert opened.status_code == 204, opened.text
            assert "; Secure" in opened.headers["set-cookie"]
            browser.headers["Cookie"] = opened.headers["set-cookie"].partition(";")[0]
            with anyio.fail_after(PATIENCE_S):
                async with browser.stream("GET", "/api/events", headers={"Sec-Fetch-Site": "same-origin"}) as answer:
                    assert answer.status_code == 200
                    lines = answer.aiter_lines()
                    assert json.loads(await _event(lines))["rows"] == []
                    added = await browser.post("/api/downloads", json={"urls": ["http://host/a"]}, **own)
                    assert added.status_code == 200, added.text
                    served.site.on_change("file")
                    news = json.loads(await _event(lines))
                    assert [row["url"] for row in news["rows"]] == ["http://host/a"], "at once, not when it is full"
            foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
            refused = await browser.post("/api/downloads", json={"urls": ["x"]}, headers=foreign)
            assert refused.status_code == 403


async def _event(lines: AsyncIterator[str]) -> str:
    while not (line := await anext(lines)).startswith("data: "):
        pass
    return line.removeprefix("data: ")
