"""Delivers the journal's notices to WEBHOOK_URL.

One request at a time, so that a row's notices arrive in order. What is not taken is tried again with growing pauses, by
itself where the receiver has refused it, and with everything else waiting where the receiver is away. A message of an
hour is given up. None of it holds up anybody: the sink only puts a message into a bounded box.
"""

from __future__ import annotations

import json
import random
import secrets
import time
from collections.abc import Callable

import anyio

from reactor.journal.ndjson import to_line
from reactor.journal.stderr_log import write_stderr
from reactor.net.client import Client
from reactor.notices import DownloadProgressed, Entry, Notice, WebhookRecovered, WebhookTroubled, chosen
from reactor.records import dataclass
from reactor.settings import Settings, words
from reactor.webhooks.outbox import Message, Outbox
from reactor.webhooks.target import GONE, Answer, Target, client_of, target_of

ENDINGS = frozenset({"download_completed", "download_failed", "download_cancelled", "list_ended"})
"""What is sent unless WEBHOOK_EVENTS says otherwise."""
UNSENT = frozenset({"webhook_troubled"})
"""It would be told to those it is about."""


@dataclass(frozen=True, slots=True)
class Pauses:
    """Between tries, seconds: the first, doubling up to the longest, with jitter; and when a message is given up."""

    first_s: float = 1.0
    longest_s: float = 300.0
    given_up_s: float = 3600.0
    at_the_end_s: float = 1.0
    """How long the end of a run waits for what is left to be taken."""

    def after(self, tries: int) -> float:
        """Seconds after so many tries: from half of the pause to all of it."""
        return min(self.longest_s, self.first_s * 2.0 ** min(tries, 32)) * (0.5 + random.random() / 2)


class Sender:
    """`offer` is a sink of the journal, `run` a task beside it; both belong to the event loop."""

    def __init__(self, target: Target, events: frozenset[str], pauses: Pauses = Pauses()) -> None:  # noqa: B008
        self.tell: Callable[[Notice], object] = lambda notice: None
        """Records a notice in the journal."""
        self._target = target
        self._events = events
        self._pauses = pauses
        self._outbox = Outbox()
        self._run = secrets.token_hex(8)
        self._changed = anyio.Event()
        self._troubled = self._gone = False
        self._away_tries = 0
        self._away_until = 0.0
        self._lost_told = 0

    @property
    def lost(self) -> int:
        """Notices that were not delivered and will not be."""
        return self._outbox.lost

    def offer(self, entry: Entry) -> None:
        """Take a notice."""
        event = entry.notice.event
        if event not in self._events or self._gone:
            return
        row = getattr(entry.notice, "download_id", None)
        progress = isinstance(entry.notice, DownloadProgressed)
        self._outbox.put(Message(entry.seq, row, _body(entry), anyio.current_time(), progress))
        self._changed.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with client_of() as client:
            while True:
                self._changed = anyio.Event()
                now = anyio.current_time()
                message = self._outbox.next(now) if now >= self._away_until else None
                if message is not None:
                    await self._deliver(client, message)
                    continue
                with anyio.move_on_after(max(self._outbox.next_at(), self._away_until) - now):
                    await self._changed.wait()

    async def finish(self) -> None:
        """Deliver what is left at the end of a run, if the receiver is there; then say how much was lost."""
        with anyio.move_on_after(self._pauses.at_the_end_s):
            async with client_of() as client:
                while not self._away_tries and (message := self._outbox.next(anyio.current_time())) is not None:
                    await self._deliver(client, message)
        lost = self.lost + len(self._outbox)
        if lost:
            write_stderr(f"{lost} {'notice was' if lost == 1 else 'notices were'} not taken by the webhook.")

    async def _deliver(self, client: Client, message: Message) -> None:
        answer = await self._target.post(client, f"msg_{self._run}_{message.seq}", message.body)
        if answer.taken:
            self._outbox.delivered()
            self._away_tries, self._away_until = 0, 0.0
            self._recovered()
        elif answer.status == GONE:
            self._gone = True
            self._outbox.clear()
            self.tell(WebhookTroubled(reason=answer.reason, for_good=True))
        else:
            self._refused(message, answer)

    def _refused(self, message: Message, answer: Answer) -> None:
        now = anyio.current_time()
        pause_s = self._pauses.after(self._outbox.tries())
        if answer.away:
            pause_s = self._pauses.after(self._away_tries)
            pause_s = max(pause_s, min(answer.retry_after_s or 0.0, self._pauses.longest_s))
            self._away_tries += 1
            self._away_until = now + pause_s
        if now + pause_s - message.at > self._pauses.given_up_s:
            self._outbox.gave_up()
        else:
            self._outbox.failed(now + pause_s)
        if not self._troubled:
            self._troubled = True
            self.tell(WebhookTroubled(reason=answer.reason))

    def _recovered(self) -> None:
        if self._troubled and not self._outbox.failing:
            self._troubled = False
            self.tell(WebhookRecovered(lost=self.lost - self._lost_told))
            self._lost_told = self.lost


def _body(entry: Entry) -> bytes:
    """As Standard Webhooks has it, with the journal's line as its data."""
    line = to_line(entry)
    return f'{{"type":"{entry.notice.event}","timestamp":"{entry.at}","data":{line}}}'.encode()


def ping_body() -> bytes:
    """What `reactor doctor --ping` sends."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return json.dumps({"type": "ping", "timestamp": now, "data": {}}, separators=(",", ":")).encode()


def events_of(settings: Settings) -> frozenset[str]:
    """Which are sent."""
    return chosen(words(settings.webhook_events), ENDINGS) - UNSENT


def sender_of(settings: Settings) -> Sender:
    """As the settings have it."""
    return Sender(target_of(settings), events_of(settings))
