"""Features of Chromium that are switched off.

Each context gets a window of its own, though nobody sees it, and a window loads the pages that would drop down from its
address bar: more processor time than the page that was asked for. All that is off has to stand in one switch, for of
several Chromium takes the last; so ours repeats what Playwright switches off.
"""

from __future__ import annotations

from pathlib import Path

import playwright

from reactor.patterns import pattern

UNSEEN = ("WebUIOmniboxAimPopup", "WebUIOmniboxFullPopup", "WebUIOmniboxPopup")
"""The pages of the address bar. A Chromium that does not know one of these names ignores it."""
MARK = "DestroyProfileOnBrowserClose"
"""It is in Playwright's list for Chromium, and in no other."""

_LIST = pattern(r"disabledFeatures = (?:\([^)]*\) => )?\[([^\]]*)\]")
_COMMENT = pattern(r"//[^\n]*")
_NAME = pattern(r"""["'](\w+)["']""")
_FILES = ("coreBundle.js", "server/chromium/chromiumSwitches.js")
"""Where newer and older versions have it."""


def switch() -> tuple[str, ...]:
    """The switch; nothing where Playwright's list is not found: a page costs more then, and nothing else is lost."""
    theirs = of_playwright(Path(playwright.__file__).parent / "driver/package/lib")
    return (f"--disable-features={','.join((*theirs, *UNSEEN))}",) if theirs else ()


def of_playwright(folder: Path) -> tuple[str, ...]:
    """The features that Playwright switches off, as the code of its driver in `folder` names them; none when it does
    not. Blocks."""
    for file in (folder / name for name in _FILES):
        for listed in _LIST.findall(file.read_text(encoding="utf-8")) if file.is_file() else ():
            names = tuple(_NAME.findall(_COMMENT.sub("", listed)))
            if MARK in names:
                return names
    return ()
