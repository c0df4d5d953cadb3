"""What the requests of a session have in common."""

from __future__ import annotations

from reactor.net.probe import probe
from reactor.net.session import USER_AGENT, HttpSession, open_session
from tests.servers import FileServer


async def test_the_user_agent(server: FileServer, http: HttpSession) -> None:
    url = server.put("/a.bin", b"data")
    async with open_session(user_agent="Mozilla/5.0") as other:
        for session in (http, other):
            await probe(url, session)
    assert [request.headers["user-agent"] for request in server.requests("/a.bin")] == [USER_AGENT, "Mozilla/5.0"]
