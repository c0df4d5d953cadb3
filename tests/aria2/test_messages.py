"""What aria2 answers, read as values."""

from __future__ import annotations

import pytest

from reactor.aria2 import messages
from reactor.aria2.failures import ARIA2
from reactor.core.events import TransferReport, TransferStatus

GID = "2089b05ecca3d829"


def test_a_transfer_with_everything() -> None:
    told = {
        "bittorrent": {"info": {"name": "a folder"}, "announceList": [["http://127.0.0.1/announce"]]},
        "completedLength": "10",
        "connections": "3",
        "downloadSpeed": "7",
        "errorCode": "22",
        "errorMessage": "status=500",
        "files": [
            {"path": "/d/a folder/a", "selected": "true", "length": "5", "uris": []},
            {"path": "/d/a folder/b", "selected": "false"},
        ],
        "followedBy": ["0000000000000001"],
        "gid": GID,
        "seeder": "true",
        "status": "active",
        "totalLength": "20",
        "unheardOf": [],
    }
    expected = TransferReport(
        gid=GID,
        status=TransferStatus.ACTIVE,
        completed=10,
        total=20,
        speed=7,
        seeder=True,
        followed_by=("0000000000000001",),
        error_code=22,
        error_message="status=500",
        files=("/d/a folder/a",),
        info_name="a folder",
        connections=3,
    )
    assert messages.report(told) == expected


def test_a_transfer_with_nothing() -> None:
    assert messages.report({"gid": GID, "status": "waiting"}) == TransferReport(GID, TransferStatus.WAITING)


def test_a_failed_transfer_says_why_and_shows_no_password() -> None:
    message = "Unknown scheme: x://anna:s3cret@host.example/a"
    told = messages.report({"gid": GID, "status": "error", "errorCode": "99", "errorMessage": message})
    assert told.failure is not None
    assert (told.failure.code, told.error_code) == ("failed", 99)
    for text in (told.failure.message, told.error_message):
        assert "host.example" in text
        assert "s3cret" not in text


def test_a_removed_transfer_has_failed() -> None:
    told = messages.report({"gid": GID, "status": "removed", "errorCode": "31"})
    assert told.failure == ARIA2[31]


@pytest.mark.parametrize("path", ["", "[METADATA]some name", "[MEMORY]some.torrent"])
def test_what_never_becomes_a_file_is_none(path: str) -> None:
    told = {"gid": GID, "status": "active", "files": [{"path": path, "selected": "true"}]}
    assert messages.report(told).files == ()


@pytest.mark.parametrize("number", ["", "many", "-1", None, "1.5"])
def test_a_number_that_is_none(number: object) -> None:
    with pytest.raises(ValueError, match="totalLength"):
        messages.report({"gid": GID, "status": "active", "totalLength": number})


def test_the_rest() -> None:
    assert messages.version({"version": "1.37.0", "enabledFeatures": ["HTTPS"]}).features == ("HTTPS",)
    assert messages.session({"sessionId": "abc"}) == "abc"
    assert messages.options({"dir": "/d"}) == {"dir": "/d"}
    assert messages.text("OK") == "OK"
