"""pixeldrain.com: a file hoster with an API. `/u/ID` is a file, `/l/ID` a list of them, which becomes a folder.

EXTRACTOR_OPTIONS={"pixeldrain": {"key": "…"}} signs in."""

from __future__ import annotations

import base64
import re
from typing import Any

from reactor.extractors.plugins.api import Detection, DownloadError, Extraction, File, Matcher, PluginContext

ADDRESS = "https://pixeldrain.com"
FILES_MAX = 1000


class Pixeldrain:
    name = "pixeldrain"
    matchers = tuple(Matcher(f"*://pixeldrain.com/{path}/*") for path in ("u", "l", "api/file", "api/list"))

    async def extract(self, detection: Detection, context: PluginContext) -> Extraction | None:
        found = re.search(r"//[^/]+/(u|l|api/file|api/list)/(\w+)", detection.url)
        if found is None:
            return None
        api = f"{context.settings.get('address', ADDRESS)}/api"
        headers = self._login(context.settings.get("key"))
        if found[1] in ("u", "api/file"):
            told = await self._asked(f"{api}/file/{found[2]}/info", context, headers)
            self._check(told)
            return context.file(
                f"{api}/file/{found[2]}?download",
                name=str(told["name"]),
                size=told.get("size") if type(told.get("size")) is int else None,
                headers=headers,
            )
        told = await self._asked(f"{api}/list/{found[2]}", context, headers)
        listed = [each for each in told.get("files", []) if not each.get("availability")]
        if not listed:
            raise DownloadError("None of the files in this list can be downloaded.", code="not_found")
        files = [
            File(f"{api}/file/{each['id']}?download", str(each["name"]), headers=headers) for each in listed[:FILES_MAX]
        ]
        missing = len(told["files"]) - len(files)
        return context.folder_of(
            str(told.get("title") or found[2]),
            files,
            notes=[f"{missing} files of the list are not there."] if missing else [],
        )

    def _login(self, key: object) -> dict[str, str]:
        if not key:
            return {}
        return {"Authorization": f"Basic {base64.b64encode(f':{key}'.encode()).decode()}"}

    async def _asked(self, url: str, context: PluginContext, headers: dict[str, str]) -> dict[str, Any]:
        answer = (await context.get(url, headers=headers)).json()
        if not isinstance(answer, dict):
            raise DownloadError("pixeldrain gave an answer that is not understood.", code="bad_answer")
        return answer

    def _check(self, told: dict[str, Any]) -> None:
        if not told.get("availability"):
            return
        message = str(told.get("availability_message") or "This file cannot be downloaded at the moment.")
        raise DownloadError(message, code="rate_limited", retryable=True)


extractor = Pixeldrain()
