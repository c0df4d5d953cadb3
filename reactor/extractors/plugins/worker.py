"""The process in which one extractor from outside runs.

It reads lines of JSON from its standard input and answers each with one line on its standard output; what the extractor
or a library prints goes nowhere. The first line says how to be, each other what to do:

    {"parent": PID, "entry": "MODULE:ATTRIBUTE", "data_bytes": N, "file_bytes": N}   -> {"ready": ""} | {"broken": WHY}
    {"id": N, "do": "describe"}                                -> {"name": …, "matchers": [[PATTERN, PRIORITY], …]}
    {"id": N, "do": "extract", "detection": JSON, "options": {…}, "settings": {…}, "proxy": URL | null,
     "reach": N, "deadline_s": S}
            -> {"extraction": JSON} | {"entries": [[URL, TITLE, KEY], …], "title": …, "whole": …} | {"onward": URL}
             | {"other": true} | {"error": {…}}
"""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import importlib
import json
import socket
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from reactor.egress.tunnel import connect_by
from reactor.errors import ReactorError
from reactor.extractors.plugins.api import Entries, Extractor, Onward, PluginContext
from reactor.net.client import Dial
from reactor.net.redirects import MagnetRedirect
from reactor.net.session import open_session
from reactor.options import Options, parse_options
from reactor.plan import Detection, Extraction
from reactor.workers import limits
from reactor.workers.child import private_streams

ANSWER_BYTES_MAX = 32 * 1024 * 1024
"""The longest answer, the line's end included."""
TEXT_MAX = 500
GRACE_S = 10.0
"""So long after its deadline a request ends the process, in case nobody else did."""


def main() -> None:
    """Serve until the input ends."""
    inward, outward = private_streams()
    extractor = None
    for line in inward:
        request = json.loads(line)
        if extractor is None:
            limits.protect(request["parent"], request["data_bytes"], file_bytes=request["file_bytes"], group=True)
            extractor, answer = _load(request["entry"])
        else:
            answer = {"id": request["id"], **_carried_out(extractor, request), "resident": limits.resident_bytes()}
        outward.write(_encoded(answer))
        outward.flush()
        gc.collect()


def _load(entry: str) -> tuple[Any, dict[str, Any]]:
    module, _, attribute = entry.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for name in attribute.split("."):
            found = getattr(found, name)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a broken package fails as it likes
        return None, {"broken": f"{type(error).__name__}: {error}"[:TEXT_MAX]}
    return found, {"ready": ""}


def _carried_out(extractor: Extractor, request: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to one request. What the extractor raises, whatever it is, becomes a report."""
    try:
        if request["do"] == "describe":
            return {
                "name": extractor.name,
                "matchers": [[each.pattern, each.priority] for each in extractor.matchers],
            }
        faulthandler.dump_traceback_later(request["deadline_s"] + GRACE_S, exit=True)
        try:
            return _told(asyncio.run(_extracted(extractor, request)))
        finally:
            faulthandler.cancel_dump_traceback_later()
    except MagnetRedirect as magnet:
        return {"onward": magnet.url}
    except ReactorError as error:
        failure = error.failure
        told = {"code": failure.code, "message": failure.message, "hint": failure.hint}
        return {"error": {"kind": "sentence", **told, "retryable": failure.retryable}}
    except MemoryError:
        return {"error": {"kind": "memory"}}
    except (Exception, SystemExit) as error:  # noqa: BLE001 - it raises what it likes
        return {"error": {"kind": "failed", "what": type(error).__name__, "where": _where(error)}}


async def _extracted(extractor: Extractor, request: Mapping[str, Any]) -> Any:
    proxy = request["proxy"]
    async with open_session(dial=_dial_by(proxy) if proxy else None) as http:
        context = PluginContext(
            extractor.name,
            http,
            folder=Path.cwd(),
            proxy=proxy,
            options=parse_options(request["options"], Options),
            settings=request["settings"],
            reach=request["reach"],
        )
        return await extractor.extract(Detection.model_validate_json(request["detection"]), context)


def _dial_by(proxy: str) -> Dial:
    parts = urlsplit(proxy)
    user, secret = unquote(parts.username or ""), unquote(parts.password or "")

    async def dial(host: str, port: int) -> socket.socket:
        return await connect_by(parts.hostname or "", parts.port or 80, user, secret, host, port)

    return dial


def _told(found: object) -> dict[str, Any]:
    match found:
        case Extraction():
            return {"extraction": found.model_dump_json(exclude={"finish": {"options"}})}
        case Entries(title=title, links=links, whole=whole):
            listed = [[each.url, each.title, each.key] for each in links]
            return {"entries": listed, "title": title, "whole": whole}
        case Onward(url=str(url)):
            return {"onward": url}
        case None:
            return {"other": True}
    return {"error": {"kind": "odd", "what": type(found).__name__}}


def _where(error: BaseException) -> str:
    """File and line of what was run last, without what a stranger sent."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""


def _encoded(answer: Mapping[str, Any]) -> bytes:
    try:
        line = json.dumps(answer).encode() + b"\n"
    except (TypeError, ValueError, RecursionError):
        line = b""
    if 0 < len(line) <= ANSWER_BYTES_MAX:
        return line
    return json.dumps({"id": answer.get("id"), "error": {"kind": "odd", "what": "too much"}}).encode() + b"\n"
