"""What a change feed of any engine is to its one reader: rings, of which those of a burst are one or two."""

from __future__ import annotations

from typing import Self

import anyio

from reactor.database.table import Change

GAP_S = 0.01
"""Between two rings."""


class Rings:
    """`async for layer in rings: …`; `replaced` is the last one."""

    def __init__(self) -> None:
        self._bell = anyio.Event()
        self._rung: Change | None = None
        self._rung_at = float("-inf")
        self._over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Change:
        if self._over:
            raise StopAsyncIteration
        await self._bell.wait()
        await anyio.sleep(max(0.0, self._rung_at + GAP_S - anyio.current_time()))
        layer, self._rung, self._bell = self._rung, None, anyio.Event()
        assert layer is not None
        self._rung_at = anyio.current_time()
        self._over = layer == "replaced"
        return layer

    def _ring(self, layer: Change) -> None:
        """The first layer to notice is the one that is named; nothing comes after `replaced`."""
        if self._rung is None or layer == "replaced":
            self._rung = layer
        self._bell.set()
