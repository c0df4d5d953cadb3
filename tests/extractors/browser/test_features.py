"""What is switched off, and that nothing of Playwright's is switched on again by that."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from playwright.async_api import async_playwright

from reactor.extractors.browser.features import UNSEEN, of_playwright
from reactor.extractors.browser.worker import options
from tests.tools import needed

LISTS = {
    "coreBundle.js": """
    disabledFeatures = [ "Electrons", "Own" ];
    disabledFeatures = [
      // See https://github.com/microsoft/playwright/issues/14047
      "AvoidUnnecessaryBeforeUnloadCheckSync",
      "DestroyProfileOnBrowserClose",
    ].filter(Boolean);""",
    "server/chromium/chromiumSwitches.js": """const disabledFeatures = (assistantMode) => [
      'AvoidUnnecessaryBeforeUnloadCheckSync', 'DestroyProfileOnBrowserClose', assistantMode ? 'X' : ''];""",
}


@pytest.mark.parametrize("name", LISTS)
def test_the_features_that_playwright_switches_off_are_found_in_its_code(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(LISTS[name], encoding="utf-8")
    assert of_playwright(tmp_path)[:2] == ("AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose")


def test_where_they_are_not_found_none_is_switched_off(tmp_path: Path) -> None:
    assert of_playwright(tmp_path) == ()
    (tmp_path / "coreBundle.js").write_text('disabledFeatures = ["Another"]', encoding="utf-8")
    assert of_playwright(tmp_path) == ()


@pytest.mark.needs("chromium")
async def test_what_playwright_switches_off_stays_off_and_a_window_loads_no_page_of_its_own() -> None:
    async with async_playwright() as playwright:
        setup = {"executable": needed("chromium"), "sandbox": False, "proxy": None, "headless_tells": False}
        browser = await playwright.chromium.launch(**options(setup))
        session = await browser.new_browser_cdp_session()
        told = (await session.send("SystemInfo.getProcessInfo"))["processInfo"]
        lines = [psutil.Process(each["id"]).cmdline() for each in told if each["type"] == "browser"]
        page = await (await browser.new_context()).new_page()
        await page.goto("data:text/html,<title>x")
        targets = (await session.send("Target.getTargets", {"filter": [{}]}))["targetInfos"]
        seen = [each["url"] for each in targets if each["type"] not in ("page", "tab")]
        await browser.close()
    switches = [each.partition("=")[2].split(",") for each in lines[0] if each.startswith("--disable-features=")]
    assert len(switches) == 2, "Playwright's and ours, of which Chromium takes the last"
    assert {*switches[0], *UNSEEN} == {*switches[1]}
    assert seen == []
