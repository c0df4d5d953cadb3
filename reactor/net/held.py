"""Answers that are kept open, their bodies unread, until the fetch takes them over: what a link brings is asked for
once.

A link may be good for one request. So what looks at it first asks as a browser does, by a plain GET, and what comes is
what is fetched (`egress.handed`)."""

from __future__ import annotations

import asyncio

from reactor.net.client import Response

HELD_S = 60.0
"""How long a server is kept waiting."""
HELD_MAX = 32


class HeldAnswers:
    """By the URL that answered, as aria2 would be given it."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[Response, asyncio.TimerHandle]] = {}

    def keep(self, url: str, response: Response) -> None:
        """Keep an answer. Above the limit the oldest is closed."""
        self.drop(url)
        while len(self._held) >= HELD_MAX:
            self.drop(next(iter(self._held)))
        self._held[url] = response, asyncio.get_running_loop().call_later(HELD_S, self.drop, url)

    def take(self, url: str, cookie_line: str = "") -> Response | None:
        """The answer to a request with these cookies, which the caller closes; None where there is none, or it has
        expired. What somebody else was answered is left where it is."""
        response, timer = self._held.get(url, (None, None))
        if response is None or timer is None or response.cookie_line != cookie_line:
            return None
        del self._held[url]
        timer.cancel()
        return response

    def drop(self, url: str) -> None:
        """It is not wanted."""
        response, timer = self._held.pop(url, (None, None))
        if response is not None and timer is not None:
            timer.cancel()
            response.close()

    def close(self) -> None:
        """Nothing of it is wanted."""
        for url in list(self._held):
            self.drop(url)
