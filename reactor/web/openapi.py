"""The OpenAPI document of what is served at the page's address: `/api/openapi.json`, and contrib/docs/openapi.json.

`OPERATIONS` is the one list of what there is; a test compares it with the routes, and real answers with the schemas.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from reactor.records import dataclass
from reactor.web.bodies import Codes, Token, Urls
from reactor.web.schemas import Choices, Entries, Error, Ids, News

VERSION = "1"
"""Of the API: fields and paths may be added within one."""
REFERENCE = "#/components/schemas/{model}"
ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 0}}
AFTER = {
    "name": "after",
    "in": "query",
    "description": "The place in the list behind which they begin.",
    "schema": {"type": "integer", "minimum": 0, "default": 0},
}
SECURITY = {
    "token": {"type": "http", "scheme": "bearer", "description": "PAGE_TOKEN, or the one that was printed."},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "reactor-…",
        "description": "Of `POST /api/session`; its name ends with eight digits that derive from the token.",
    },
}
REFUSALS = {
    400: "The request broke off.",
    401: "A token is required, or it is wrong.",
    403: "A request from another site.",
    404: "There is no such path, or the id is none.",
    405: "Not by this method.",
    409: "The download is in another state.",
    413: "More than 1 MiB.",
    415: "It is not application/json.",
    421: "An unknown host name: PAGE_HOSTS.",
    422: "It is not what is described here, or the options are not understood.",
    429: "Too many wrong tokens from this address.",
    503: "The database cannot be used now, or too many pages are open.",
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    summary: str
    answer: type[BaseModel] | str | None = None
    """Of 200: JSON of this model, or text of this type; None: there is no body, and the status is 204."""
    takes: type[BaseModel] | None = None
    refusals: tuple[int, ...] = ()
    """Beside those of every operation that wants a token."""
    of_row: bool = False
    parameters: tuple[dict[str, Any], ...] = ()
    open: bool = False
    """It wants no token."""
    may_say_no: bool = False
    """503, with a sentence in plain text, is one of its answers."""
    events: type[BaseModel] | None = None
    """Server-sent events: what the data of each is."""


BODY = (413, 415, 422)
OPERATIONS: dict[tuple[str, str], Operation] = {
    ("/api/session", "POST"): Operation("Sign in: sets a cookie", takes=Token, refusals=(*BODY, 429)),
    ("/api/session", "DELETE"): Operation("Sign out", refusals=(503,)),
    ("/api/session", "GET"): Operation("Whether one is signed in"),
    ("/api/openapi.json", "GET"): Operation("This document", "application/json"),
    ("/api/events", "GET"): Operation(
        "Every row that is shown, then each change, as server-sent events", events=News, refusals=(503,)
    ),
    ("/api/downloads", "POST"): Operation("Add rows", Ids, Urls, (*BODY, 503)),
    ("/api/downloads/{id}/entries", "GET"): Operation(
        "50 entries of a list", Entries, refusals=(404, 503), of_row=True, parameters=(AFTER,)
    ),
    ("/api/downloads/{id}/choices", "GET"): Operation(
        "What there is to choose from", Choices, refusals=(404, 409, 503), of_row=True
    ),
    ("/api/downloads/{id}/choose", "POST"): Operation(
        "Choose", takes=Codes, refusals=(404, 409, *BODY, 503), of_row=True
    ),
    ("/api/downloads/{id}/cancel", "POST"): Operation(
        "Cancel a download, or a list with its entries", refusals=(404, 409, 503), of_row=True
    ),
    ("/api/downloads/{id}/retry", "POST"): Operation(
        "Retry a download, or the entries of a list that were not downloaded", refusals=(404, 409, 503), of_row=True
    ),
    ("/healthz", "GET"): Operation("Whether it lives", "text/plain", open=True),
    ("/readyz", "GET"): Operation(
        "Whether aria2 answers and the database can be used", "text/plain", open=True, may_say_no=True
    ),
}


@cache
def document() -> dict[str, Any]:
    """The document, of OpenAPI 3.1."""
    models = {Error, *(each for one in OPERATIONS.values() for each in (one.takes, one.events)), *_answers()} - {None}
    inputs = {one.takes for one in OPERATIONS.values()}
    modes: Any = [(each, "validation" if each in inputs else "serialization") for each in models]
    _, schemas = models_json_schema(sorted(modes, key=lambda each: each[0].__name__), ref_template=REFERENCE)
    paths: dict[str, Any] = {}
    for (path, method), operation in OPERATIONS.items():
        paths.setdefault(path, {})[method.lower()] = _described(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "The page of reactor",
            "version": VERSION,
            "description": "Served at PAGE_ADDRESS. Fields and paths may be added: ignore what you do not know.",
        },
        "security": [{name: []} for name in SECURITY],
        "paths": paths,
        "components": {"schemas": schemas["$defs"], "securitySchemes": SECURITY},
    }


def _answers() -> set[type[BaseModel]]:
    return {one.answer for one in OPERATIONS.values() if isinstance(one.answer, type)}


def _described(operation: Operation) -> dict[str, Any]:
    told: dict[str, Any] = {"summary": operation.summary, "responses": _responses(operation)}
    parameters = [*([ID] if operation.of_row else []), *operation.parameters]
    if parameters:
        told["parameters"] = parameters
    if operation.takes is not None:
        told["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _reference(operation.takes)}},
        }
    if operation.open:
        told["security"] = []
    return told


def _responses(operation: Operation) -> dict[str, Any]:
    refusals = {*operation.refusals} if operation.open else {401, 403, 421, 429, *operation.refusals}
    answers: dict[str, Any] = {}
    match operation:
        case Operation(events=type() as data):
            said = "Each event is one line, `data: ` and JSON of the schema."
            answers["200"] = _content(said, "text/event-stream", _reference(data))
        case Operation(answer=type() as model):
            answers["200"] = _content("Done.", "application/json", _reference(model))
        case Operation(answer=str() as kind):
            answers["200"] = _content("Yes.", kind, {"type": "string" if kind == "text/plain" else "object"})
        case _:
            answers["204"] = {"description": "Done."}
    for status in sorted(refusals):
        answers[str(status)] = _content(REFUSALS[status], "application/json", _reference(Error))
    if operation.may_say_no:
        answers["503"] = _content("No; a sentence says why.", "text/plain", {"type": "string"})
    return answers


def _content(description: str, kind: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {kind: {"schema": schema}}}


def _reference(model: type[BaseModel]) -> dict[str, Any]:
    return {"$ref": REFERENCE.format(model=model.__name__)}
