"""An FTP server on loopback, as small as aria2c lets it be.

async with FtpServer(b"…", login=("anna", "secret")) as server:
    server.url                          of its only file
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Self

ANSWERS = {
    "CWD": "250 ok",
    "MDTM": "213 20200101000000",
    "OPTS": "200 ok",
    "PWD": '257 "/"',
    "QUIT": "221 bye",
    "REST": "350 ok",
    "TYPE": "200 ok",
}


@dataclass
class FtpServer:
    """Serves one file, to everybody or by a login."""

    data: bytes
    login: tuple[str, str] = ("anonymous", "")
    asked: list[str] = field(default_factory=list)
    """The commands that came, without what follows the first word."""
    port: int = 0

    def __post_init__(self) -> None:
        self._listening: list[asyncio.Server] = []
        self._open: list[asyncio.StreamWriter] = []
        self._wanted, self._sent = asyncio.Event(), asyncio.Event()

    @property
    def url(self) -> str:
        return self.url_of("real.bin")

    def url_of(self, path: str, user: str = "") -> str:
        """The URL of a path, with user info if wanted."""
        return f"ftp://{user and f'{user}@'}127.0.0.1:{self.port}/{path}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in (self._server, *self._listening):
            server.close()
        for writer in self._open:
            writer.transport.abort()
        self._wanted.set()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        user, data = "", None
        self._open.append(writer)
        writer.write(b"220 ready\r\n")
        try:
            while line := (await reader.readline()).decode().strip():
                verb, _, rest = line.partition(" ")
                self.asked.append(verb := verb.upper())
                answer = ANSWERS.get(verb, "502 no")
                if verb == "USER":
                    user, answer = rest, "331 password"
                elif verb == "PASS":
                    known = user == self.login[0] and self.login[1] in ("", rest)
                    answer = "230 in" if known else "530 no"
                elif verb == "SIZE":
                    answer = f"213 {len(self.data)}" if rest.endswith("real.bin") else "550 no such file"
                elif verb in ("EPSV", "PASV"):
                    data = await asyncio.start_server(self._send, "127.0.0.1", 0)
                    self._listening.append(data)
                    port = data.sockets[0].getsockname()[1]
                    place = f"127,0,0,1,{port >> 8},{port & 255}"
                    answer = f"229 ok (|||{port}|)" if verb == "EPSV" else f"227 ok ({place})"
                    self._wanted, self._sent = asyncio.Event(), asyncio.Event()
                elif verb == "RETR" and not rest.endswith("real.bin"):
                    answer = "550 no such file"
                elif verb == "RETR" and data is not None:
                    writer.write(b"150 here it comes\r\n")
                    self._wanted.set()
                    await self._sent.wait()
                    answer = "226 done"
                writer.write(f"{answer}\r\n".encode())
                await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    async def _send(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.append(writer)
        await self._wanted.wait()
        if writer.is_closing():
            return
        writer.write(self.data)
        writer.write_eof()
        await reader.read()  # until all of it has been taken: aria2c waits for the last word when it has the data
        writer.close()
        self._sent.set()
