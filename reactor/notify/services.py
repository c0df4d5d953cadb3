"""The services that NOTIFY names, and a line of text for them.

Apprise is synchronous, and some of its services are slow: it runs in the thread of a `BackgroundWriter`, which is
bounded and which nothing waits for. Its own timeouts end a request that is not answered.
"""

from __future__ import annotations

import logging
import warnings
from importlib.util import find_spec
from typing import Any

from reactor import notices as n
from reactor.errors import SettingsError
from reactor.journal.background_writer import BackgroundWriter
from reactor.journal.format import describe
from reactor.notices import Entry
from reactor.settings import Settings, words

USUAL = frozenset(
    {"aria2_lost", "database_troubled", "disk_full", "download_completed", "download_failed", "list_ended"}
)
"""What is told unless NOTIFY_EVENTS says otherwise."""
FAILURES = (n.DownloadFailed, n.Aria2Lost, n.DatabaseTroubled, n.DiskFull, n.DownloadStuck, n.WebhookTroubled)
TITLE = "reactor"
NAME = "NOTIFY"
WAITING_MAX = 200
"""Lines that wait; more than people read."""


class Services:
    """All that NOTIFY names."""

    lasting = True
    """What one line was refused for may have passed by the next."""

    def __init__(self, urls: str) -> None:
        """`urls` are separated by blanks. Raises SettingsError, which shows none of them: they hold secrets."""
        if find_spec("apprise") is None:
            raise SettingsError(
                "NOTIFY needs apprise, which is not installed.", hint="Run: pip install 'aria2-reactor[notify]'."
            )
        with warnings.catch_warnings():  # some of its services use what Python is going to drop
            warnings.simplefilter("ignore", DeprecationWarning)
            self._load(urls.split())

    def _load(self, urls: list[str]) -> None:
        import apprise

        logger = logging.getLogger("apprise")  # it tells URLs
        logger.propagate = False
        logger.addHandler(logging.NullHandler())
        self._types = apprise.NotifyType
        self._format = apprise.NotifyFormat.TEXT  # titles are strangers'
        # Without threads of its own, for which the end of the process would wait.
        self._services: Any = apprise.Apprise(asset=apprise.AppriseAsset(async_mode=False, service_timeout=0))
        for place, url in enumerate(urls, 1):
            if not self._services.add(url):
                which = "Its URL is" if len(urls) == 1 else f"URL {place} of {len(urls)} is"
                raise SettingsError(
                    f"NOTIFY: {which} none that Apprise understands.", hint="`apprise --details` lists its services."
                )

    @property
    def names(self) -> list[str]:
        """Which services they are."""
        return [str(each.service_name or "a service") for each in self._services]

    def say(self, line: str, *, bad: bool = False) -> None:
        """Tell it to all of them. Blocks. Raises OSError where one does not take it."""
        kind = self._types.FAILURE if bad else self._types.INFO
        if not self._services.notify(body=line, title=TITLE, notify_type=kind, body_format=self._format):
            raise OSError(0, "not every service has taken it")

    def show(self, entry: Entry) -> None:
        """Tell a notice. Raises OSError."""
        if not isinstance(entry.notice, n.EntriesLost):  # what is missing was not for them
            self.say(line(entry.notice), bad=isinstance(entry.notice, FAILURES))

    def close(self) -> None:
        """There is nothing to be closed."""


class Notifier:
    """`offer` is a sink of the journal. To be used as a context manager."""

    def __init__(self, services: Services, events: frozenset[str]) -> None:
        self._events = events
        self._writer = BackgroundWriter(services, NAME, waiting_max=WAITING_MAX)

    def __enter__(self) -> Notifier:
        self._writer.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def offer(self, entry: Entry) -> None:
        """Take a notice, if it is one of those that are told."""
        if entry.notice.event in self._events:
            self._writer.offer(entry)


def line(notice: n.Notice) -> str:
    """One line for people."""
    id = getattr(notice, "download_id", None)
    said = describe(notice)
    return f"#{id} {said}" if id is not None else f"{said[:1].upper()}{said[1:]}"


def events_of(settings: Settings) -> frozenset[str]:
    """Which are told."""
    return n.chosen(words(settings.notify_events), USUAL)


def services_of(settings: Settings) -> Services:
    """As the settings have it, which name some. Raises SettingsError."""
    assert settings.notify is not None
    return Services(settings.notify.get_secret_value())
