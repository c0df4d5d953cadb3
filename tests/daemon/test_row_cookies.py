"""Which cookies a row gets: its jar, those that fit, the operator's, or none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reactor.core.job import CookieSource
from reactor.daemon.row_cookies import OperatorRule, RowCookies, in_view_of
from reactor.database.jars import Jars
from reactor.errors import DownloadError, Failure, SettingsError
from reactor.failures import COOKIES_HELP, COOKIES_SENT
from reactor.net.cookie_files import JarCookie
from reactor.settings import Settings

URL = "https://www.site.example/film"


def line(host: str, value: str, expires: int = 0) -> str:
    return f"{host}\t{'TRUE' if host.startswith('.') else 'FALSE'}\t/in\tTRUE\t{expires}\tsid\t{value}\n"


@pytest.fixture
def jars(tmp_path: Path) -> Jars:
    (tmp_path / "bot.db").touch(0o600)
    jars = Jars(tmp_path / "bot.db", "0" * 32)
    jars.put("ann", "mine", line(".site.example", "ANN"))
    return jars


def cookies(jars: Jars, **settings: Any) -> RowCookies:
    return RowCookies(jars, Settings(_env_file=None, **settings))


async def values(found: RowCookies, owner: str | None, name: str | None = None, url: str = URL) -> list[str]:
    return [each.value for each in await found.of(CookieSource(owner, name, url))]


async def test_a_jar_is_given_to_rows_of_its_owner_that_name_it(jars: Jars) -> None:
    found = cookies(jars)
    assert await values(found, "ann", "mine") == ["ANN"]
    assert await values(found, "ann") == []
    assert await found.of(None) == ()
    for owner, name in (("ann", "other"), ("bob", "mine"), (None, "mine")):
        with pytest.raises(DownloadError, match=f"There is no jar of cookies `{name}` of this owner") as refused:
            await found.of(CookieSource(owner, name, URL))
        assert refused.value.code == "bad_options"


async def test_a_jar_that_is_taken_away_or_replaced_is_so_at_once(jars: Jars) -> None:
    found = cookies(jars)
    assert await values(found, "ann", "mine") == ["ANN"]
    jars.put("ann", "mine", line(".site.example", "NEW"))
    assert await values(found, "ann", "mine") == ["NEW"]
    jars.remove("ann", "mine")
    with pytest.raises(DownloadError, match="There is no jar"):
        await values(found, "ann", "mine")


async def test_what_has_expired_is_not_sent(jars: Jars, monkeypatch: pytest.MonkeyPatch) -> None:
    jars.put("ann", "mine", line(".site.example", "SHORT", 4_000_000_000) + line(".x.example", "LONG", 4_100_000_000))
    found = cookies(jars)
    monkeypatch.setattr("reactor.daemon.clock.wall", lambda: 4_050_000_000.0)
    assert await values(found, "ann", "mine") == ["LONG"]
    monkeypatch.setattr("reactor.daemon.clock.wall", lambda: 4_150_000_000.0)
    with pytest.raises(DownloadError, match=r"in the jar `mine` have expired\. Set them again") as refused:
        await values(found, "ann", "mine")
    assert refused.value.code == "needs_cookies"


async def test_jars_are_chosen_by_the_host_of_the_row_where_the_operator_wants_it(jars: Jars) -> None:
    jars.put("ann", "other", line("other.example", "OTHER"))
    found = cookies(jars, cookies_by_host=True)
    assert await values(found, "ann") == ["ANN"]
    assert await values(found, "ann", url=" site.example/x ") == ["ANN"]
    assert await values(found, "ann", url="http://other.example/") == ["OTHER"]
    for url in (
        "http://notsite.example/",
        "http://sub.other.example/",
        "magnet:?xt=urn:btih:" + "0" * 40,
        "no url",
        "",
    ):
        assert await values(found, "ann", url=url) == [], url
    assert await values(found, "bob") == await values(found, None) == []


@pytest.mark.parametrize(
    ("rule", "owner", "wanted"),
    [
        ("", "root", []),
        ("*", None, ["O", "P"]),
        ("owner:root", "root", ["O", "P"]),
        ("owner:root", "bob", []),
        ("owner:root", None, []),
        ("op.example", None, ["O"]),
        ("op.example, owner:root", "bob", []),
        (".Op.Example , owner: root", "root", ["O"]),
        ("unknown.example", None, []),
    ],
)
async def test_the_operators_are_for_whom_the_setting_says(
    rule: str, owner: str | None, wanted: list[str], jars: Jars, tmp_path: Path
) -> None:
    file = tmp_path / "operator.txt"
    file.write_text(line(".op.example", "O") + line("p.example", "P"))
    found = cookies(jars, operator_cookies=file, operator_cookies_for=rule)
    assert await values(found, owner) == wanted
    assert await values(found, "ann", "mine") == ["ANN"], "never beside the owner's own"


async def test_the_operators_file_is_read_again_when_it_changes_and_missed_by_whom_it_is_for(
    jars: Jars, tmp_path: Path
) -> None:
    file = tmp_path / "operator.json"
    found = cookies(jars, operator_cookies=file, operator_cookies_for="owner:root")
    for data in (None, b"\xff", b"nonsense", b"x" * 2_000_000):
        if data is not None:
            file.write_bytes(data)
        with pytest.raises(DownloadError, match="OPERATOR_COOKIES: ") as refused:
            await values(found, "root")
        assert refused.value.code == "settings"
        assert await values(found, "bob") == []
    file.write_text('[{"name": "sid", "value": "1", "domain": "op.example"}]')
    assert await values(found, "root") == ["1"]
    file.write_text('[{"name": "sid", "value": "22", "domain": "op.example"}]')
    assert await values(found, "root") == ["22"]


def test_a_host_that_is_narrower_than_a_cookie_narrows_it() -> None:
    wide = JarCookie(name="a", value="1", domain="site.example", host_only=False)
    alone = JarCookie(name="b", value="2", domain="site.example")
    deep = JarCookie(name="c", value="3", domain="x.www.site.example")
    cut = OperatorRule.parse("www.site.example").cut((wide, alone, deep))
    assert [(each.name, each.domain, each.host_only) for each in cut] == [
        ("a", "www.site.example", False),
        ("c", "x.www.site.example", True),
    ]


@pytest.mark.parametrize("text", ["https://site.example", "owner:", "a b", "site.example/x", "*.site.example", "a,,@"])
def test_a_rule_that_is_none_is_told(text: str, jars: Jars) -> None:
    with pytest.raises(SettingsError, match="OPERATOR_COOKIES_FOR"):
        cookies(jars, operator_cookies_for=text)


async def test_a_folder_that_cannot_be_used_fails_the_rows_that_name_a_jar(jars: Jars, tmp_path: Path) -> None:
    jars.path.rename(tmp_path / "moved")
    jars.path.symlink_to(tmp_path / "moved")
    found = cookies(jars, cookies_by_host=True)
    assert await values(found, "ann") == []
    with pytest.raises(DownloadError, match="folder of cookies beside the database cannot be used") as refused:
        await values(found, "ann", "mine")
    assert refused.value.code == "bad_cookies"


def test_what_would_help_depends_on_what_was_sent() -> None:
    wanting, other = (
        Failure("needs_cookies", "It wants to know.", COOKIES_HELP),
        Failure("not_found", "Gone.", "Check."),
    )
    sent = (JarCookie(name="a", value="1", domain="h"),)
    assert in_view_of(wanting, ()) is wanting
    assert in_view_of(wanting, sent).hint == COOKIES_SENT
    assert in_view_of(other, sent) is other


async def test_what_would_help_where_a_site_wants_to_know_who_asks(jars: Jars) -> None:
    jars.put("ann", "other", line("other.example", "OTHER"))
    jars.put("ann", "second", line("www.site.example", "SECOND"))
    found, refused = cookies(jars), Failure("needs_login", "Members only.", COOKIES_HELP)

    async def picks(failure: Failure, owner: str | None, name: str | None = None, url: str = URL) -> list[str]:
        help = await found.help(failure, CookieSource(owner, name, url))
        return [each.pick["cookies"] for each in help.help] if help else []

    assert await picks(refused, "ann") == ["mine", "second"]
    assert await picks(refused, "ann", "mine") == ["second"], "that did not help"
    assert await picks(refused, "bob") == ["www.site.example"], "a jar of this name would be taken"
    assert await picks(Failure("needs_cookies", "Robot?", COOKIES_SENT), "bob") == []
    assert await picks(refused, "bob", url="magnet:?xt=urn:btih:" + "0" * 40) == []
    assert await picks(Failure("needs_login", "401", "Put user:password@ …"), "ann") == []
    assert await picks(Failure("not_found", "Gone.", COOKIES_HELP), "ann") == []
    assert await RowCookies().help(refused, CookieSource("ann", None, URL)) is None
