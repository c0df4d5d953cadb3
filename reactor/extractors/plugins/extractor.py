"""Stage 2 for URLs that extractors from outside are for."""

from __future__ import annotations

from dataclasses import replace

from reactor.errors import DownloadError
from reactor.extractors.base import Context, Reclassified, Several
from reactor.extractors.detect import detect
from reactor.extractors.feed import list_wanted
from reactor.extractors.plugins.api import Onward
from reactor.extractors.plugins.results import Listed
from reactor.lists import Listing, ListRequest
from reactor.models import Detection, Extraction, Kind


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
