"""What rows ask for, from outside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.real.harness import running
from tests.servers import FileServer


async def test_options_that_do_not_apply_are_noted_or_fail_and_bad_ones_name_the_key(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path, MAX_CONCURRENT_DOWNLOADS="3") as reactor:
        url = server.put("/image.iso", b"x" * 5000)
        asked: list[dict[str, Any]] = [{}, {"format": "22"}, {"format": "22", "strict": True}, {"formt": "22"}]
        ids = [id for options in asked for id in reactor.add(url, **options)]
        await reactor.until_final()
        rows = reactor.rows(*ids)
    assert [row["error_code"] for row in rows] == [None, None, "not_as_wished", "bad_options"]
    assert rows[0]["notes"] is None
    assert "`format`" in rows[1]["notes"]
    assert "`format`" in rows[2]["error"]
    assert "`format`" in rows[3]["error"]
    assert len(reactor.files()) == 2
