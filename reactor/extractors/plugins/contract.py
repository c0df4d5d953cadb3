"""What every extractor from outside has to keep, as a class of tests for its author's own suite:

    from reactor.extractors.plugins.contract import ExtractorContract

    class TestFilehost(ExtractorContract):
        entry = "reactor_filehost:extractor"
        matching = ("https://filehost.example/d/abc", "https://www.filehost.example/d/abc?x=1")
        others = ("https://filehost.example/about", "https://example.com/d/abc")

pytest finds the tests; nothing of pytest is imported. They load the extractor as reactor does, in a process of its own,
and send no request: every address is refused there.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

import anyio

from reactor.egress.addresses import Address
from reactor.egress.proxy import Guard
from reactor.errors import DownloadError
from reactor.extractors.plugins.host import Plugins, open_plugins
from reactor.extractors.plugins.process import Installed
from reactor.models import Kind
from reactor.net.urls import normalise
from reactor.options import NO_OPTIONS
from reactor.plan import Detection
from reactor.settings import Settings

CRASHES = frozenset({"extractor_failed", "bad_answer", "out_of_memory", "worker_died", "timeout"})
"""Codes of what is the extractor's own mistake."""


class ExtractorContract:
    """See the module."""

    entry: ClassVar[str]
    """`MODULE:ATTRIBUTE`, as in the entry point."""
    name: ClassVar[str] = ""
    """The entry point's name, where that is not the module's without `reactor_`."""
    matching: ClassVar[Sequence[str]]
    """Links that are for it, at least one."""
    others: ClassVar[Sequence[str]]
    """Links that are not, at least one."""

    def test_links_that_are_for_it_and_links_that_are_not(self) -> None:
        """Its patterns take the one and leave the other."""

        async def check() -> None:
            async with self._loaded() as plugins:
                assert self.matching, "`matching` names no link"
                assert self.others, "`others` names no link"
                missed = [url for url in self.matching if self._match(plugins, url) is None]
                taken = [url for url in self.others if self._match(plugins, url) is not None]
                assert missed == [], "these are to be for it"
                assert taken == [], "these are not to be for it"

        anyio.run(check)

    def test_without_a_network_each_link_ends_in_a_sentence(self) -> None:
        """It raises DownloadError where a server is not there, and nothing else."""

        async def check() -> None:
            async with Guard(look_up=_nobody) as guard, self._loaded(guard) as plugins:
                for url in self.matching:
                    found = self._match(plugins, url)
                    assert found is not None, url
                    error = await _error(plugins, found)
                    assert error is None or error.code not in CRASHES, f"{url}: {error}"
                    assert error is None or error.message.strip(), f"{url}: no sentence"

        anyio.run(check)

    @property
    def _installed(self) -> Installed:
        name = self.name or self.entry.partition(":")[0].rpartition(".")[2].removeprefix("reactor_")
        places = tuple(str(Path(place).absolute()) for place in ["", *sys.path])
        return Installed(name, self.entry, places=places)

    @asynccontextmanager
    async def _loaded(self, guard: Guard | None = None) -> AsyncIterator[Plugins]:
        found = self._installed
        # Nothing of the author's own .env.
        settings = Settings(extractors_off="", extractor_timeout_s=60.0, extractor_options=None, _env_file=None)
        async with open_plugins(settings, guard, found=lambda: [found]) as plugins:
            assert plugins is not None
            why = plugins.unusable.get(found.name)
            assert why is None, f"{found.name} cannot be used: {why}"
            assert Kind(found.name) in plugins
            yield plugins

    def _match(self, plugins: Plugins, url: str) -> Detection | None:
        ready = normalise(url)
        return plugins.match(ready) or plugins.match(ready, fallback=True)


async def _error(plugins: Plugins, found: Detection) -> DownloadError | None:
    try:
        await plugins.extract(found.kind, found, NO_OPTIONS)
    except DownloadError as error:
        return error
    return None


def _nobody(host: str) -> Iterable[Address]:
    raise OSError(f"{host} is not asked for here")
