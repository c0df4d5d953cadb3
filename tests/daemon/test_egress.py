"""What aria2c is told of the guard, and what the guard tells of its errors."""

from __future__ import annotations

import pytest

from reactor.core.events import TransferReport, TransferStatus
from reactor.daemon.egress import Egress, allowed_hosts, open_guard
from reactor.egress.proxy import Guard
from reactor.errors import DownloadError, SettingsError
from reactor.net.session import open_session
from reactor.plan import Fetch, Header
from reactor.settings import Settings
from tests.servers import FileServer

PLAIN = Fetch(urls=("https://a.example/x",), name="x")
SECRET = (Header(name="Authorization", value="x"),)
ENDED = TransferReport(
    gid="0" * 15 + "1", status=TransferStatus.ERROR, error_code=1, error_message="Proxy connection failed."
)


def test_without_a_guard_nothing_is_said() -> None:
    assert Egress(None).options(PLAIN, "1", SECRET) == {}
    assert Egress(None).explained(ENDED) == ENDED


async def test_everything_goes_through_it() -> None:
    async with Guard() as guard:
        egress = Egress(guard)
        plain, secret = egress.options(PLAIN, "1"), egress.options(PLAIN, "2", SECRET)
        assert set(plain) == {"http-proxy", "https-proxy", "ftp-proxy", "no-proxy", "proxy-method"}
        doors = {options[way].rpartition(":")[2] for options in (plain, secret) for way in ("https-proxy", "ftp-proxy")}
        assert len(doors) == 3, "one for all, one for the credentials, one that leads nowhere"
        assert egress.options(PLAIN, "2", SECRET) == secret


async def test_ftp_goes_through_it_too_and_from_http_nowhere() -> None:
    async with Guard() as guard:
        ftp = Fetch(urls=("ftp://anna:secret@h.example/a",), name="a")
        by_ftp, by_http = Egress(guard).options(ftp, "1"), Egress(guard).options(PLAIN, "2")
        assert by_ftp["ftp-proxy"] == by_ftp["http-proxy"]
        assert by_http["ftp-proxy"].rpartition(":")[2] != by_http["http-proxy"].rpartition(":")[2]


async def test_an_error_of_another_kind_is_left_alone() -> None:
    async with Guard() as guard:
        egress = Egress(guard)
        assert egress.explained(ENDED) == ENDED, "the guard knows nothing of it"


async def test_off_means_that_any_address_may_be_dialed() -> None:
    for on in (True, False):
        settings = Settings.load(egress_guard=on)
        async with open_guard(settings, lambda: ["ws://127.0.0.1:1/jsonrpc"]) as guard:
            if on:
                with pytest.raises(DownloadError, match="private network"):
                    await guard.dialer.resolve("10.0.0.1", 80)
            else:
                assert await guard.dialer.resolve("10.0.0.1", 80)
            for host in ("127.0.0.1", "localhost"):
                with pytest.raises(DownloadError, match="private network"):
                    await guard.dialer.resolve(host, 1)


def test_a_setting_that_cannot_be_read() -> None:
    with pytest.raises(SettingsError, match=r"ALLOWED_PRIVATE_HOSTS: takes hosts, .*; not 'http://nas'"):
        allowed_hosts(Settings.load(allowed_private_hosts="http://nas"))


async def test_what_is_held_is_taken_over_by_what_begins_from_zero(server: FileServer) -> None:
    """Else it is closed."""
    url = server.put("/a", bytes(1000), stall_after=10)
    wanted = Fetch(urls=(url,), name="a")
    async with open_session() as http, Guard() as guard:
        assert Egress(guard).handed(wanted, from_zero=True) is None
        assert Egress(guard, http.held).handed(wanted, from_zero=True) is None
        for n, (egress, from_zero) in enumerate(((Egress(guard, http.held), False), (Egress(None, http.held), True))):
            http.held.keep(url, await http.client.ask("GET", url, {}))
            assert egress.handed(wanted, from_zero=from_zero) is None
            await server.until(lambda n=n: server.log[n].ended == "closed by client")  # type: ignore[misc]
        http.held.keep(url, await http.client.ask("GET", url, {}))
        assert (Egress(guard, http.held).handed(wanted, from_zero=True) or "").endswith(".handed.invalid/")
    await server.until(lambda: server.log[2].ended == "closed by client")
