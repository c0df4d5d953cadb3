"""A server whose certificate comes from a CA of its owner's own, as in companies and at home."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme

from tests.real.harness import running
from tests.servers import FileServer

DATA = bytes(range(256)) * 400


@pytest.mark.parametrize("named", [True, False])
async def test_ssl_cert_file_names_the_ca(tmp_path: Path, named: bool) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    settings = {"SSL_CERT_FILE": str(tmp_path / "ca.pem")} if named else {}
    async with FileServer(tls=context) as server, running(tmp_path, MAX_DOWNLOAD_RETRIES="0", **settings) as reactor:
        reactor.add(server.put("/a.bin", DATA))
        await reactor.until_final()
    (row,) = reactor.rows()
    assert (row["status"], row["error_code"]) == (("downloaded", None) if named else ("failed", "tls"))
    assert reactor.files() == ({"a.bin": DATA} if named else {})
