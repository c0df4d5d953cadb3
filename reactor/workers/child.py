"""The main loop of a process that parses documents: one request after another, until its input ends.

A request is a line of JSON, `{"id": N, "call": NAME, "body": LENGTH, …}`, and so many bytes, the document. The answer
is a line, `{"id": N, "body": LENGTH, "resident": BYTES}` or `{"id": N, "error": {…}}`, and so many bytes of JSON.
Nothing of either is ever run or unpickled.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from reactor.errors import DownloadError
from reactor.workers import limits

Call = Callable[[Mapping[str, Any], bytes], bytes]
"""Arguments and document → the body of the answer. Raises DownloadError."""
REQUEST_BYTES_MAX = 256 * 1024
"""Of its line: an address in it may be long."""


def serve(calls: Mapping[str, Call]) -> None:
    """Answer requests until the input ends. The command line holds the parent's pid and the limits that this process
    enforces."""
    setup = json.loads(sys.argv[1])
    inward, outward = private_streams()
    limits.protect(setup["parent"], setup["data_bytes"])
    gc.disable()  # what is read makes no circles, and looking for them takes a third of the time
    while line := inward.readline(REQUEST_BYTES_MAX):
        limits.allow_cpu(setup["cpu_s"])
        request = json.loads(line)
        answer, body = _answer(calls, request, inward.read(request["body"]), setup["answer_bytes"])
        answer |= {"id": request["id"], "body": len(body), "resident": limits.resident_bytes()}
        outward.write(json.dumps(answer).encode() + b"\n" + body)
        outward.flush()


def _answer(
    calls: Mapping[str, Call], request: Mapping[str, Any], document: bytes, most: int
) -> tuple[dict[str, Any], bytes]:
    try:
        body = calls[request["call"]](request, document)
        return ({}, body) if len(body) <= most else ({"error": {"kind": "too_long"}}, b"")
    except DownloadError as error:
        told = {"message": error.message, "hint": error.hint, "code": error.code}
        return {"error": {"kind": "sentence", **told}}, b""
    except MemoryError:
        return {"error": {"kind": "memory"}}, b""
    except Exception as error:  # noqa: BLE001 - one in a parser is no reason to know nothing of the document
        return {"error": {"kind": "unforeseen", "what": type(error).__name__}}, b""


def private_streams() -> tuple[BinaryIO, BinaryIO]:
    """Our input and output, out of reach of what a library reads or prints."""
    inward, outward = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    sys.stdout = sys.stderr
    return inward, outward
