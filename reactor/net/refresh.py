"""Where a page sends its reader by itself, without a click: `<meta http-equiv="refresh">`, or the header `Refresh`.

"Your download begins" is written so. What stands in comments, in scripts, or for readers without scripts (`noscript`)
sends nobody anywhere. Pure; one pass over what is bounded by the caller."""

from __future__ import annotations

import re

from reactor.patterns import pattern

DELAY_MAX_S = 60
"""A page that reloads itself later than that does not begin a download."""
TAG_MAX = 4096

_TAG = pattern(rb"<!--|<(script|noscript|style|template|title|meta)(?=[\s/>])")
_ATTRIBUTE = pattern(r"""([a-z-]{1,30})\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_CONTENT = pattern(
    r"""\s*(\d{1,6})(?:\.\d*)?(?:\s*[;,]\s*|\s+)(?:url\s*=\s*)?+(?:"([^"]*)"?|'([^']*)'?|(\S.*))""",
    re.IGNORECASE | re.DOTALL,
)


def refresh_in(page: bytes) -> str | None:
    """The address in the first `<meta>` that leads on; as it is written, so perhaps relative."""
    from html import unescape

    lowered, at = page.lower(), 0  # of ASCII only: no place moves
    while tag := _TAG.search(lowered, at):
        closing = b">" if tag[1] == b"meta" else b"</" + tag[1] if tag[1] else b"-->"
        end = lowered.find(closing, tag.end())
        if end < 0:
            return None
        at = end
        if tag[1] != b"meta" or end - tag.end() > TAG_MAX:
            continue
        found = {
            name.lower(): unescape("".join(values))
            for name, *values in _ATTRIBUTE.findall(page[tag.end() : end].decode("utf-8", "replace"))
        }
        if found.get("http-equiv", "").lower() == "refresh" and (target := refresh_to(found.get("content", ""))):
            return target
    return None


def refresh_to(content: str) -> str | None:
    """The address in `5; url=/film.zip`; None where it only says when, or too late."""
    found = _CONTENT.fullmatch(content)
    if found is None or int(found[1]) > DELAY_MAX_S:
        return None
    return next((each for each in found.groups()[1:] if each), "").strip() or None
