"""The page and its HTTP API.

GET    /                           the page: static, without data
POST   /api/session {"token"}      sign in      DELETE  sign out      GET  204 when signed in
GET    /api/events                 server-sent events: every row, then the changes
POST   /api/downloads {"urls", "options"}     add rows, all with these options
GET    /api/downloads/ID/entries?after=N      50 entries of a list, from the one after N
GET    /api/downloads/ID/choices              what there is to choose from
POST   /api/downloads/ID/choose {"codes"}     choose; no codes: take the default
POST   /api/downloads/ID/cancel    cancel a download, or a list with its entries
POST   /api/downloads/ID/retry     retry a download, or the entries of a list that were not downloaded
GET    /api/openapi.json           all of it, as OpenAPI
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Awaitable, Callable
from functools import partial
from importlib import resources
from typing import Any, TypeVar

import anyio
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from reactor.errors import DatabaseError, DownloadError
from reactor.queue import Queue
from reactor.web.auth import TOKEN_WRONG, TOO_MANY_WRONG, Auth, AuthMiddleware, client_address
from reactor.web.bodies import Codes, Token, Urls
from reactor.web.choices import choices_view
from reactor.web.live import LiveRows, Viewer, view
from reactor.web.store import RowStore

VIEWERS_MAX = 30
BODY_BYTES_MAX = 1024 * 1024
ID_DIGITS_MAX = 18
"""Fewer than SQLite's largest number has."""
ENTRIES_PAGE = 50
HEARTBEAT_S = 15.0
"""Detects dead connections."""
ASKS_NOTHING = "This download asks nothing."
OVER, NOT_OVER = "This download is over already.", "Only a failed or cancelled download can be retried."
STATIC = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    **{f"/{name}.js": (f"{name}.js", "text/javascript") for name in ("page", "lists", "choices", "add")},
}


Model = TypeVar("Model", bound=BaseModel)


class Page:
    """The routes."""

    def __init__(self, store: RowStore, live_rows: LiveRows, auth: Auth) -> None:
        self._store = store
        self._live_rows = live_rows
        self._auth = auth

    def routes(self) -> list[Route]:
        """All of the page; `openapi.OPERATIONS` describes those of the API."""
        return [
            *(Route(path, _Static(*what)) for path, what in STATIC.items()),
            Route("/api/session", self._open, methods=["POST"]),
            Route("/api/session", self._close, methods=["DELETE"]),
            Route("/api/session", self._inside, methods=["GET"]),
            Route("/api/openapi.json", _openapi, methods=["GET"]),
            Route("/api/events", _Stream(self._live_rows)),
            Route("/api/downloads", self._add, methods=["POST"]),
            Route("/api/downloads/{id:str}/entries", self._entries, methods=["GET"]),
            Route("/api/downloads/{id:str}/choices", self._choices, methods=["GET"]),
            Route("/api/downloads/{id:str}/choose", self._choose, methods=["POST"]),
            Route("/api/downloads/{id:str}/cancel", self._cancel, methods=["POST"]),
            Route("/api/downloads/{id:str}/retry", self._retry, methods=["POST"]),
        ]

    def app(self) -> AuthMiddleware:
        """The application, with authentication."""
        handlers: Any = {
            **{HTTPException: _refused, DatabaseError: _troubled},
            **{DownloadError: _misunderstood, ClientDisconnect: _gone},
        }
        return AuthMiddleware(Starlette(routes=self.routes(), exception_handlers=handlers), self._auth)

    async def _open(self, request: Request) -> Response:
        wanted = await _body(request, Token)
        attempts, place = self._auth.attempts, client_address(request.scope)
        if attempts.busy(place):
            raise HTTPException(TOO_MANY_WRONG.status, TOO_MANY_WRONG.text)
        if not self._auth.is_token(wanted.token.strip()):
            await attempts.wrong(place)
            raise HTTPException(TOKEN_WRONG.status, TOKEN_WRONG.text)
        attempts.right(place)
        return Response(status_code=204, headers={"Set-Cookie": self._auth.session_cookie(secure=_is_secure(request))})

    async def _close(self, request: Request) -> Response:
        session = self._auth.session(request.headers)
        if session is not None:
            self._auth.end_session(*session)
            await self._store.run(lambda queue: queue.end_session(*session, time.time()))
        return Response(status_code=204, headers={"Set-Cookie": self._auth.expired_cookie(secure=_is_secure(request))})

    async def _inside(self, _: Request) -> Response:
        return Response(status_code=204)

    async def _add(self, request: Request) -> JSONResponse:
        wanted = await _body(request, Urls)
        return JSONResponse({"ids": await self._store.run(partial(_add_all, wanted.urls, wanted.options))})

    async def _entries(self, request: Request) -> JSONResponse:
        number, after = _number(request.path_params["id"]), _number(request.query_params.get("after", "0"))
        rows, total = await self._store.run(lambda queue: queue.entries(number, after, ENTRIES_PAGE))
        return JSONResponse({"rows": [view(row) for row in rows], "total": total})

    async def _choices(self, request: Request) -> JSONResponse:
        number = _number(request.path_params["id"])
        row = await self._store.run(lambda queue: queue.get(number))
        if row is None or row.choices is None or not row.answerable:
            raise HTTPException(409, ASKS_NOTHING)
        return JSONResponse(choices_view(row.choices))

    async def _choose(self, request: Request) -> Response:
        number, wanted = _number(request.path_params["id"]), await _body(request, Codes)
        if not await self._store.run(lambda queue: queue.choose(number, wanted.codes)):
            raise HTTPException(409, ASKS_NOTHING)
        return Response(status_code=204)

    async def _cancel(self, request: Request) -> Response:
        return await self._change(request, Queue.cancel, OVER)

    async def _retry(self, request: Request) -> Response:
        return await self._change(request, Queue.retry, NOT_OVER)

    async def _change(
        self, request: Request, change: Callable[[Queue, int], Awaitable[bool]], refusal: str
    ) -> Response:
        number = _number(request.path_params["id"])
        if not await self._store.run(lambda queue: change(queue, number)):
            raise HTTPException(409, refusal)
        return Response(status_code=204)


class _Static:
    """One static file, served from memory with an ETag."""

    def __init__(self, name: str, content_type: str) -> None:
        self._body = resources.files("reactor.web").joinpath("static", name).read_bytes()
        self._headers = {
            "Content-Type": f"{content_type}; charset=utf-8",
            "Cache-Control": "no-cache",
            "ETag": f'"{hashlib.sha256(self._body).hexdigest()[:16]}"',
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        if request.method not in ("GET", "HEAD"):
            answer = Response(status_code=405)
        elif request.headers.get("if-none-match") == self._headers["ETag"]:
            answer = Response(status_code=304, headers=self._headers)
        else:
            answer = Response(self._body, headers=self._headers)
        await answer(scope, receive, send)


class _Stream:
    """Server-sent events for one viewer."""

    def __init__(self, live_rows: LiveRows) -> None:
        self._live_rows = live_rows

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._live_rows.viewers >= VIEWERS_MAX:
            return await JSONResponse({"error": "Too many pages are open."}, 503)(scope, receive, send)
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._feed, send)
            while (await receive())["type"] != "http.disconnect":
                pass
            tasks.cancel_scope.cancel()

    async def _feed(self, send: Send) -> None:
        with self._live_rows.viewing() as viewer:
            text = "retry: 1000\n\n"
            while True:
                # The server closes connections that do not read.
                await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
                text = await _next(viewer)


async def _openapi(_: Request) -> JSONResponse:
    from reactor.web.openapi import document  # few ask for it

    return JSONResponse(document())


async def _next(viewer: Viewer) -> str:
    """The next event, or a heartbeat."""
    with anyio.move_on_after(HEARTBEAT_S):
        return f"data: {json.dumps(await viewer.news(), separators=(',', ':'))}\n\n"
    return ": heartbeat\n\n"


async def _body(request: Request, model: type[Model]) -> Model:
    """The request's JSON body, validated. Raises HTTPException."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "Expected application/json.")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > BODY_BYTES_MAX:
            raise HTTPException(413, "The request is too large.")
    try:
        return model.model_validate_json(bytes(body))
    except ValidationError as error:
        raise HTTPException(422, f"Invalid request: {error.errors(include_url=False)[0]['msg']}.") from None


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= ID_DIGITS_MAX):
        raise HTTPException(404)
    return int(text)


async def _add_all(urls: list[str], options: dict[str, Any], queue: Queue) -> list[int]:
    return [await queue.add(url, options=options) for url in urls]


async def _refused(_: Request, error: HTTPException) -> JSONResponse:
    return JSONResponse({"error": error.detail}, error.status_code)


async def _misunderstood(_: Request, error: DownloadError) -> JSONResponse:
    return JSONResponse({"error": str(error)}, 422)


async def _gone(_: Request, __: ClientDisconnect) -> Response:
    return Response(status_code=400)  # the client is gone


async def _troubled(_: Request, error: DatabaseError) -> JSONResponse:
    return JSONResponse({"error": str(error)}, 503)


def _is_secure(request: Request) -> bool:
    """True when the browser uses https, also through a proxy."""
    return request.headers.get("origin", "").startswith("https://")
