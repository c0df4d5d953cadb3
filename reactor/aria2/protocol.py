"""JSON-RPC 2.0 as aria2 speaks it over a WebSocket, without the socket.

Ids, frames and pending requests. Nothing here waits, and no input makes it fail: what cannot be parsed is counted and
ignored, since aria2 itself answers each WebSocket ping with an error for `id: null`.

    out     frame = protocol.request(method)          the caller sends frame.data, and waits for frame.id
    in      for item in protocol.receive(data): …     a Reply for one who waits, or a TransferNotified
    over    protocol.forget(id), protocol.abandon()   nobody waits any more
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field
from typing import Any

from reactor.aria2.messages import NOTIFICATIONS
from reactor.aria2.methods import Method
from reactor.core.events import TransferNotified
from reactor.errors import Aria2Error, Aria2Refused, Aria2Unauthorized
from reactor.records import dataclass

BATCH_BYTES_MAX = 1024 * 1024
"""Size of one `system.multicall`, against the 2 MiB of one request that aria2 takes by default."""

# Text as it is: aria2 answers half a surrogate pair, written as \ud800, with an error for `id: null`.
_AS_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode

Outcome = Any
"""What a Method's `read` made of the result, or an Aria2Error."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request to send. `data` holds the secret: never show it."""

    id: int
    name: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a request: one outcome for each of its methods, in their order."""

    id: int
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A method as a part of a batch."""

    method: Method[Any]
    data: bytes = field(repr=False)


class Protocol:
    """The client side, across reconnects: ids never repeat."""

    def __init__(self, secret: str | None = None) -> None:
        self._secret = secret or ""
        self._last_id = 0
        self._pending: dict[int, tuple[Method[Any], ...]] = {}
        self._batches: set[int] = set()
        self.calls: Counter[str] = Counter()
        """Methods asked, by name; those inside a batch too, and the batch itself."""
        self.ignored: Counter[str] = Counter()
        """Frames that led to nothing, by reason."""

    @property
    def pending(self) -> int:
        """How many requests are not answered."""
        return len(self._pending)

    # Out

    def request(self, method: Method[Any]) -> Request:
        """One call. Raises Aria2Refused when it cannot be written as JSON."""
        head = {"jsonrpc": "2.0", "id": self._last_id + 1, "method": method.name, "params": self._params(method)}
        data = self._encode(method, head)
        return Request(self._remember((method,)), method.name, data)

    def encode(self, method: Method[Any]) -> Encoded:
        """A call as a part of a batch. Raises Aria2Refused when it cannot be written as JSON."""
        return Encoded(method, self._encode(method, {"methodName": method.name, "params": self._params(method)}))

    def batch(self, parts: Sequence[Encoded]) -> Request:
        """Several calls as one `system.multicall`; a single one as itself."""
        if len(parts) == 1:
            return self.request(parts[0].method)
        request_id = self._remember(tuple(part.method for part in parts))
        self._batches.add(request_id)
        self.calls["system.multicall"] += 1
        head = b'{"jsonrpc":"2.0","id":%d,"method":"system.multicall","params":[[' % request_id
        return Request(request_id, "system.multicall", head + b",".join(part.data for part in parts) + b"]]}")

    def forget(self, request_id: int) -> None:
        """Drop a pending request: its reply will be ignored."""
        self._pending.pop(request_id, None)
        self._batches.discard(request_id)

    def abandon(self) -> None:
        """Drop all pending requests: the socket is closed."""
        self._pending.clear()
        self._batches.clear()

    # In

    def receive(self, data: bytes | str) -> Iterator[Reply | TransferNotified]:
        """Parse a frame. Never raises."""
        text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            return self._ignore("malformed")
        if not isinstance(message, dict):
            return self._ignore("malformed")
        if "method" in message:
            return self._notification(message)
        return self._reply(message)

    def _notification(self, message: dict[str, Any]) -> Iterator[TransferNotified]:
        name, params = message["method"], message.get("params")
        what = NOTIFICATIONS.get(name) if isinstance(name, str) else None
        if what is None or not isinstance(params, list):
            return self._ignore("other notification")
        gids = [param.get("gid") for param in params if isinstance(param, dict)]
        return iter([TransferNotified(gid, what) for gid in gids if isinstance(gid, str)])

    def _reply(self, message: dict[str, Any]) -> Iterator[Reply]:
        request_id = message.get("id")
        if request_id is None:
            return self._ignore("null id")
        # An exact int: True and 1.0 are equal to 1, and would be taken for the first request.
        if type(request_id) is not int or request_id not in self._pending:
            return self._ignore("unknown id")
        if "result" not in message and "error" not in message:
            return self._ignore("malformed")
        methods, batched = self._pending[request_id], request_id in self._batches
        self.forget(request_id)
        if "error" in message:
            error = message["error"]
            return iter([Reply(request_id, tuple(self._refusal(method, error) for method in methods))])
        results = message["result"] if batched else [[message["result"]]]
        return iter([Reply(request_id, tuple(self._outcomes(methods, results)))])

    def _outcomes(self, methods: tuple[Method[Any], ...], results: Any) -> Iterable[Outcome]:
        """The items of a batch: each a list of one result, or an error."""
        if not isinstance(results, list) or len(results) != len(methods):
            return [self._nonsense(method) for method in methods]
        return [self._outcome(method, result) for method, result in zip(methods, results, strict=True)]

    def _outcome(self, method: Method[Any], item: Any) -> Outcome:
        if not isinstance(item, list):
            return self._refusal(method, item)
        try:
            (result,) = item
            return method.read(result)
        except (ValueError, RecursionError):
            return self._nonsense(method)

    def _refusal(self, method: Method[Any], error: Any) -> Outcome:
        number, said = (error.get("code"), error.get("message")) if isinstance(error, dict) else (None, None)
        if not isinstance(number, int) or not isinstance(said, str):
            return self._nonsense(method)
        said = said.replace(self._secret, "***") if self._secret else said
        if said == "Unauthorized":
            return Aria2Unauthorized("aria2 refused the RPC secret.", hint="Set ARIA2C_RPC_SECRET to its rpc-secret.")
        refusal = Aria2Refused(said, number=number)
        known = method.unless(refusal) if method.unless else None
        return refusal if known is None else known

    @staticmethod
    def _nonsense(method: Method[Any]) -> Aria2Error:
        return Aria2Error(f"The answer to {method.name} is not one that aria2 gives.", retryable=False)

    def _ignore(self, why: str) -> Iterator[Any]:
        self.ignored[why] += 1
        return iter(())

    def _remember(self, methods: tuple[Method[Any], ...]) -> int:
        self._last_id += 1
        self._pending[self._last_id] = methods
        self.calls.update(method.name for method in methods)
        return self._last_id

    def _params(self, method: Method[Any]) -> list[Any]:
        return [f"token:{self._secret}", *method.params] if self._secret else [*method.params]

    @staticmethod
    def _encode(method: Method[Any], message: dict[str, Any]) -> bytes:
        try:
            return _AS_JSON(message).encode()
        except (TypeError, ValueError) as error:
            raise Aria2Refused(f"A request {method.name} cannot be written: {type(error).__name__}.") from error


def split(parts: Iterable[Encoded], bytes_max: int = BATCH_BYTES_MAX) -> Iterator[list[Encoded]]:
    """Split a batch into batches of at most `bytes_max` bytes each; a larger part becomes a batch of its own."""
    group: list[Encoded] = []
    size = 0
    for part in parts:
        if group and size + len(part.data) > bytes_max:
            yield group
            group, size = [], 0
        group.append(part)
        size += len(part.data) + 1
    if group:
        yield group
