"""What a browser has seen of a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reactor.extractors.browser.browser import Browser
from reactor.extractors.browser.extractor import MediaRequest, PageFindings, parse_found


@dataclass(frozen=True)
class Sniffed:
    found: PageFindings

    @property
    def best(self) -> MediaRequest:
        return self.found.candidates[0]


async def sniffed(browser: Browser, url: str, **how: Any) -> Sniffed:
    return Sniffed(parse_found(await browser.sniff(url, **how)))
