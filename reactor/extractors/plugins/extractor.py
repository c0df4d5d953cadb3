"""Stage 2 for URLs that extractors from outside are for."""

from __future__ import annotations

from dataclasses import replace

from reactor.errors import DownloadError
from reactor.extractors.base import Context, Reclassified, Several
from reactor.extractors.detect import detect
from reactor.extractors.feed import list_wanted
from reactor.extractors.plugins.api import Onward
from reactor.extractors.plugins.results import Listed
from reactor.lists import Entry, Listing, ListRequest
from reactor.models import Kind
from reactor.options import Options
from reactor.plan import Detection, Extraction

SAID_FOR_EACH = frozenset({"referer", "user-agent"})
"""Headers that a row of its own has, too."""


class PluginExtractor:
    """Asks the one of that name. A link that is not for it, after all, or that it is not there for any more, goes on as
    if it had never been."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind

    async def extract(self, detection: Detection, context: Context) -> Extraction:
        """See Extractor."""
        if context.plugins is not None and self.kind in context.plugins:
            wanted = list_wanted(context)
            found = await context.plugins.extract(
                self.kind, detection, context.options, wanted.reach if wanted is not None else 0
            )
            if isinstance(found, Extraction):
                if wanted is not None and asks_for_entries(context.options) and (files := files_of(found)):
                    listed = Listed(found.title, files, whole=True)
                    raise Several(self._listing(listed, wanted, listed_only=context.options.want == "info"))
                return found
            if isinstance(found, Listed):
                raise Several(self._listing(found, wanted, listed_only=context.options.want == "info"))
            if isinstance(found, Onward):
                onward = await detect(found.url, context)
                raise Reclassified(onward.model_copy(update={"why": f"{self.kind}: {onward.why}"}))
        raise Reclassified(await detect(detection.url, replace(context, plugins=None)))

    def _listing(self, found: Listed, wanted: ListRequest | None, *, listed_only: bool) -> Listing:
        """Raises DownloadError (`playlist`)."""
        if wanted is None:
            count = f"{'' if found.whole else 'more than '}{len(found.entries):,}"
            raise DownloadError(
                f"This is a list of {count} entries, not one.", hint="Send the link of one.", code="playlist"
            )
        return Listing.of(
            found.entries, wanted, kind=self.kind, title=found.title, whole=found.whole, listed_only=listed_only
        )


def asks_for_entries(options: Options) -> bool:
    """True where the files of a folder are wanted as rows of their own."""
    playlist = options.playlist
    chosen = playlist.mode == "all" or playlist.items is not None or playlist.limit is not None or playlist.keys
    return bool(chosen) or options.want == "info" or options.ask in ("items", "all")


def files_of(found: Extraction) -> tuple[Entry, ...]:
    """The files of a folder as entries of a list; none where they can be fetched together only: with cookies, or with
    headers that a row does not have."""
    if found.finish.how != "folder" or found.cookies:
        return ()
    entries = list[Entry]()
    for n, fetch in enumerate(found.fetches, 1):
        headers = {header.name.lower(): header.value for header in found.headers_of(fetch)}
        if not headers.keys() <= SAID_FOR_EACH:
            return ()
        url, referer = fetch.urls[0], headers.get("referer")
        try:
            entries.append(Entry(key=url, url=url, title=fetch.name, referer=referer, position=n))
        except ValueError:  # an address that no row takes
            return ()
    return tuple(entries)
