"""What is seen of a row that asks."""

from __future__ import annotations

from reactor.choices import ENTRIES_MAX
from reactor.extractors.findings import KEPT_BYTES_MAX, Findings
from reactor.media.choice import Quality
from reactor.models import Kind
from reactor.options import Options
from reactor.plan import Extraction, Fetch, Finish

FILM = Extraction(kind=Kind.YTDLP, title="A film", fetches=(Fetch(name="a"),), finish=Finish(how="media", name="a"))


async def test_what_was_looked_up_is_not_looked_up_again() -> None:
    findings, looks = Findings(), list[str]()

    async def look() -> bytes:
        looks.append("")
        return b"found"

    for key in ("a", "a", "b"):
        assert await findings.once(key, look, len) == b"found"
    assert (len(looks), findings.kept_bytes) == (2, 10)
    findings.begin()
    assert findings.known("a") == b"found"
    assert findings.known("c") is None
    assert (findings.take("a"), findings.take("a"), findings.kept_bytes) == (b"found", None, 5)


async def test_what_is_too_large_is_looked_up_each_time() -> None:
    findings = Findings()
    findings.keep("a", b"", KEPT_BYTES_MAX + 1)
    assert (findings.known("a"), findings.kept_bytes) == (None, 0)


def test_the_choices_are_what_was_seen_last() -> None:
    findings = Findings()
    findings.see([Quality("a", False, 480)])
    findings.begin()
    findings.see([Quality("b", False, 720), Quality("c", False, 1080)])
    findings.subtitles = {f"de-x{n}": False for n in range(100)} | {"live_chat": False}
    findings.files, findings.files_total = ((7, "a/b.mkv", 5),), 900
    found = findings.choices(FILM, Options(unanswered="fail"))
    assert (found.title, found.unanswered, found.files_total) == ("A film", "fail", 900)
    assert [each.label for each in found.formats] == ["1080p", "720p", "sound"]
    assert (found.files[0].c, found.files[0].pick) == ("t1", {"files": [7]})
    assert len(found.subtitles) == ENTRIES_MAX
