"""Lists and questions over the page's API, on the table of a real database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reactor.choices import Choices, FileChoice, FormatChoice, HelpChoice, ItemChoice, SubtitleChoice
from tests.database.sqlite.bot import query
from tests.web.test_app import BEARER, Served, reading, serving

CHOICES = Choices(
    formats=(FormatChoice(c="f1", label="720p\x1b[2J", bytes=2048, pick={"quality": 720}),),
    subtitles=(SubtitleChoice(c="s1", language="de", auto=True, pick={"subtitles": {"languages": ["de"]}}),),
    items=(ItemChoice(c="i1", n=1, key="k", duration_s=61.0, pick={}),),
    items_total=412,
    files=(FileChoice(c="t1", n=1, path="a/b\u202egpj", bytes=1, pick={"files": [1]}),),
)
HELP = Choices(help=(HelpChoice(c="h1", label="sound", pick={"want": "audio"}),))


async def answer(served: Served, path: str, **body: Any) -> tuple[int, Any]:
    method = "POST" if body else "GET"
    got = await served.client.request(method, f"/api/downloads/{path}", headers=BEARER, **body)
    return got.status_code, got.json() if got.content else None


async def test_a_list_is_one_row_and_its_entries_come_in_pages(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        await served.queue.add("http://host/list", status="downloading", stage="items", items_total=60, items_done=7)
        for n in range(1, 61):
            await served.queue.add(f"http://u:secret@host/{n}", parent_id=1, item_key=f"k{n}", position=n)
        async with reading(served) as events:
            first = await anext(events)
        assert [row["id"] for row in first["rows"]] == [1]
        assert first["rows"][0]["list"] == {"total": 60, "done": 7, "failed": 0}
        assert (first["state"]["under_way"], first["state"]["queued"]) == (1, 0)
        for after, places in ((0, (1, 50)), (50, (51, 60))):
            code, told = await answer(served, f"1/entries?after={after}")
            names = [row["name"] for row in told["rows"]]
            assert (code, told["total"], names[0], names[-1]) == (200, 60, *map(str, places))
        assert "secret" not in json.dumps(told)
        assert await answer(served, "2/entries") == (200, {"rows": [], "total": 0})
        for wrong in ("x/entries", "1/entries?after=-1", f"1/entries?after={10**18}", f"{2**63}/entries"):
            assert (await answer(served, wrong))[0] == 404, wrong


async def test_choices_are_told_and_answered(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        for status, choices in (("choosing", CHOICES), ("failed", HELP), ("downloaded", HELP)):
            await served.queue.add("http://host/a", status=status, choices=choices.stored())
        _, told = await answer(served, "1/choices")
        found = [(group["name"], group["many"], group["total"], group["choices"]) for group in told["groups"]]
        assert found == [
            ("Quality", False, 1, [{"code": "f1", "label": "720p\\x1b[2J", "about": "about 2.0 KiB"}]),
            ("Subtitles", True, 1, [{"code": "s1", "label": "de", "about": "automatic"}]),
            ("Entries", True, 412, [{"code": "i1", "label": "1. k", "about": "1:01"}]),
            ("Files", True, 1, [{"code": "t1", "label": "a/b\\u202egpj", "about": "1 B"}]),
        ]
        assert (await answer(served, "2/choices"))[1]["groups"][0]["name"] == "What would help"
        for nothing in (3, 9):
            assert (await answer(served, f"{nothing}/choices"))[0] == 409
        code, told = await answer(served, "1/choose", json={"codes": ["f9"]})
        assert (code, "no choice `f9`" in told["error"]) == (422, True)
        wrongs: list[Any] = [{"codes": "f1"}, {"codes": ["x" * 11]}, {"codes": ["f1"] * 201}, [1]]
        for wrong in wrongs:
            assert (await answer(served, "1/choose", json=wrong))[0] == 422, wrong
        assert (await served.client.post("/api/downloads/1/choose", json={"codes": ["f1"]})).status_code in (401, 403)
        assert (await answer(served, "1/choose", json={"codes": ["f1", "s1"]}))[0] == 204
        assert (await answer(served, "2/choose", json={"codes": ["h1"]}))[0] == 204
        assert (await answer(served, "1/choose", json={"codes": ["f1"]}))[0] == 409
        rows = query(tmp_path / "bot.db", "SELECT status, options FROM downloads LIMIT 2")
    assert [(status, json.loads(options)) for status, options in rows] == [
        ("pending", {"quality": 720, "subtitles": {"languages": ["de"]}, "ask": "never"}),
        ("pending", {"want": "audio", "ask": "never"}),
    ]


async def test_links_are_added_with_options_or_not_at_all(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:

        async def add(options: Any) -> tuple[int, Any]:
            got = await served.client.post(
                "/api/downloads", headers=BEARER, json={"urls": ["http://host/a", "http://host/b"], "options": options}
            )
            return got.status_code, got.json()

        assert await add({"want": "audio", "clip": [["1:30", "2:10"]]}) == (200, {"ids": [1, 2]})
        assert (await served.queue.list())[1].options == {"want": "audio", "clip": [["1:30", "2:10"]]}
        code, told = await add({"quality": "best", "proxy": "http://x"})
        assert (code, "proxy" in told["error"]) == (422, True)
        nonsense: list[Any] = [[], "x", {"clip": [["2:10", "1:30"]]}, {"__proto__": {}}]
        for wrong in nonsense:
            assert (await add(wrong))[0] == 422, wrong
        assert len(await served.queue.list()) == 2
