"""Which of a host's addresses is connected to: the first that answers (RFC 8305).

asyncio's own `happy_eyeballs_delay` leaves a socket open when it is cancelled just after that has connected.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address

import anyio

Address = IPv4Address | IPv6Address
ADDRESSES_MAX = 8
"""Of one host; more are not tried."""
STAGGER_S = 0.25
"""An address that has not answered for so long has the next one dialed beside it."""


class Race:
    """The addresses of one host, dialed one beside the other, until the first connection stands."""

    def __init__(self, port: int, beside: anyio.Semaphore) -> None:
        """`beside` has one place for each connection that is tried while the race tries another one."""
        self._port = port
        self._beside = beside
        self._won: socket.socket | None = None
        self.error: OSError | None = None
        """Why the last address that was given up could not be reached."""
        self._trying = 0
        self._waiting = anyio.CancelScope()

    async def run(self, addresses: Sequence[Address]) -> socket.socket | None:
        """The connection that won, non-blocking; all others are closed. None: no address can be reached."""
        if len(addresses) == 1:  # as most do, which is no race
            return await self._connect(addresses[0])
        try:
            async with anyio.create_task_group() as tasks:
                for address in addresses[:ADDRESSES_MAX]:
                    placed = await self._place()
                    failed = anyio.Event()
                    self._trying += 1
                    tasks.start_soon(self._try, address, failed, placed, tasks.cancel_scope)
                    with anyio.move_on_after(STAGGER_S):
                        await failed.wait()
        except BaseException:
            if self._won is not None:
                self._won.close()
            raise
        return self._won

    async def _place(self) -> bool:
        """Wait until there is a place beside what is being tried, which has to be given back, or nothing is."""
        with anyio.CancelScope() as self._waiting:
            if self._trying:
                await self._beside.acquire()
                return True
        return False

    async def _try(self, address: Address, failed: anyio.Event, placed: bool, others: anyio.CancelScope) -> None:
        try:
            connected = await self._connect(address)
        finally:
            self._trying -= 1
            if placed:
                self._beside.release()
        if connected is None:
            failed.set()
            if not self._trying:
                self._waiting.cancel()
        elif self._won is not None:
            connected.close()
        else:
            self._won = connected
            others.cancel()

    async def _connect(self, address: Address) -> socket.socket | None:
        try:
            connection = socket.socket(family_of(address), socket.SOCK_STREAM)
        except OSError as error:  # a family that this machine does not have, or no file is left
            self.error = error
            return None
        try:
            connection.setblocking(False)
            await asyncio.get_running_loop().sock_connect(connection, (str(address), self._port))
        except OSError as error:
            connection.close()
            self.error = error
            return None
        except BaseException:
            connection.close()
            raise
        return connection


def family_of(address: Address) -> socket.AddressFamily:
    """Which sockets connect to it."""
    return socket.AF_INET if address.version == 4 else socket.AF_INET6
