"""Checks of those who are told what happens: is anybody there?"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from functools import partial

from reactor.cli.doctor.findings import DoctorFinding
from reactor.cli.runtime import run_async
from reactor.errors import ReactorError
from reactor.settings import Settings
from reactor.webhooks.sender import events_of, ping_body
from reactor.webhooks.target import Answer, Target, client_of, target_of

PING = "`reactor doctor --ping` sends it a signed test message."


def examine(settings: Settings, *, ping: bool) -> Iterator[DoctorFinding]:
    """The receiver of webhooks, and the services that tell people."""
    if settings.webhook_url is not None:
        target = target_of(settings)
        answer = run_async(partial(_ask, target, ping))
        yield _webhook(settings, target, answer, ping)
    if settings.notify is not None:
        yield _notify(settings, ping)


async def _ask(target: Target, ping: bool) -> Answer:
    async with client_of() as client:
        return await (target.post(client, f"ping_{secrets.token_hex(8)}", ping_body()) if ping else target.look(client))


def _webhook(settings: Settings, target: Target, answer: Answer, ping: bool) -> DoctorFinding:
    what, where = f"{len(events_of(settings))} events", target.shown
    if answer.status is None or (ping and not answer.taken):
        said = f"the test message was not taken: {answer.reason}" if ping else answer.reason
        advice = "Check WEBHOOK_URL and WEBHOOK_SECRET, and what is there."
        return DoctorFinding("webhook", "missing", said, where=where, advice=advice)
    if not target.signed:
        advice = "Set WEBHOOK_SECRET, so that the receiver can tell who sends."
        return DoctorFinding("webhook", "note", f"{what}, not signed", where=where, advice=advice)
    said = f"{what}, signed; {'the test message was taken' if ping else 'something answers'}"
    return DoctorFinding("webhook", "ok", said, where=where, advice="" if ping else PING)


def _notify(settings: Settings, ping: bool) -> DoctorFinding:
    from reactor.notify import services as told

    try:
        services = told.services_of(settings)
        what = f"{len(told.events_of(settings))} events, told by {', '.join(services.names)}"
        if not ping:
            return DoctorFinding("notify", "ok", what, advice="`reactor doctor --ping` sends a test message.")
        services.say("This is a test message.")
    except ReactorError as error:
        return DoctorFinding("notify", "missing", error.message, advice=error.hint or "Correct it.")
    except OSError as error:
        return DoctorFinding("notify", "missing", f"{what}; {error.strerror}", advice="Check the URLs in NOTIFY.")
    return DoctorFinding("notify", "ok", f"{what}; the test message was taken")
