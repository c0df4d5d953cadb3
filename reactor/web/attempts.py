"""Wrong tokens: each is answered later than the one before it from the same place, and somebody is told.

The right token is never held up, except where so many wrong ones from its own place wait for their answer that this is
somebody who guesses: then none from there is looked at for a moment.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network

from anyio import current_time, sleep

FIRST_S, MOST_S = 0.25, 2.0
"""Until the first wrong one is answered, doubling, and at most."""
FORGET_S = 600.0
WAITING_MAX = 8
"""Answers to one place that wait at once."""
PLACES_MAX = 1000
TELL_S = 60.0
"""Between two times that it is told."""

Tell = Callable[[str, int], None]


class _Place:
    """One address, or a network of IPv6: whoever has one address of those has them all."""

    def __init__(self) -> None:
        self.wrong = 0
        self.waiting = 0
        self.last = 0.0


class Attempts:
    """`tell(address, count)` is told of wrong tokens: the first at once, those after it together once a minute."""

    def __init__(self) -> None:
        self.tell: Tell = lambda address, count: None
        self._places: dict[str, _Place] = {}
        self._untold = 0
        self._told_at: float | None = None

    def busy(self, address: str) -> bool:
        """True while no token from there is looked at."""
        place = self._places.get(_network(address))
        return place is not None and place.waiting >= WAITING_MAX

    def right(self, address: str) -> None:
        """Whoever knows the token has only mistyped it."""
        place = self._places.get(_network(address))
        if place is not None:
            place.wrong = 0

    async def wrong(self, address: str) -> None:
        """Count a wrong one, and wait as long as it has to."""
        now = current_time()
        place = self._place(_network(address), now)
        place.wrong = 1 if now - place.last > FORGET_S else place.wrong + 1
        place.last = now
        self._untold += 1
        if self._told_at is None or now - self._told_at >= TELL_S:
            self._told_at = now
            self.tell(address, self._untold)
            self._untold = 0
        place.waiting += 1
        try:
            await sleep(min(MOST_S, FIRST_S * 2 ** min(place.wrong - 1, 16)))
        finally:
            place.waiting -= 1

    def _place(self, network: str, now: float) -> _Place:
        if network not in self._places and len(self._places) >= PLACES_MAX:
            idle = [name for name, place in self._places.items() if not place.waiting]
            for name in sorted(idle, key=lambda name: self._places[name].last)[: PLACES_MAX // 10]:
                del self._places[name]
        return self._places.setdefault(network, _Place())


def _network(address: str) -> str:
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, IPv6Address) and found.ipv4_mapped is None:
        return str(ip_network((found, 64), strict=False))
    return str(getattr(found, "ipv4_mapped", None) or found)
