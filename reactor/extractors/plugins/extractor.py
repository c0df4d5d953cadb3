"""Stage 2 for URLs that extractors from outside are for."""

from __future__ import annotations

from dataclasses import replace

from reactor.extractors.base import Context, Reclassified
from reactor.extractors.detect import detect
from reactor.extractors.plugins.api import Onward
from reactor.models import Detection, Extraction, Kind


class PluginExtractor:
    """Asks the one of that name. A link that is not for it, after all, or that it is not there for any more, goes on as
    if it had never been."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind

    async def extract(self, detection: Detection, context: Context) -> Extraction:
        """See Extractor."""
        if context.plugins is not None and self.kind in context.plugins:
            found = await context.plugins.extract(self.kind, detection, context.options)
            if isinstance(found, Extraction):
                return found
            if isinstance(found, Onward):
                onward = await detect(found.url, context)
                raise Reclassified(onward.model_copy(update={"why": f"{self.kind}: {onward.why}"}))
        raise Reclassified(await detect(detection.url, replace(context, plugins=None)))
