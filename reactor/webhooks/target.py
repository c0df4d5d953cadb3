"""Where webhooks go, by the settings, and one request to it."""

from __future__ import annotations

import time
from urllib.parse import urldefrag, urlsplit

import anyio

from reactor import __version__
from reactor.net.client import Client, NoAnswer, NotConnected, Response
from reactor.net.credentials import split_credentials
from reactor.net.failures import retry_after_s
from reactor.records import dataclass
from reactor.settings import Settings
from reactor.webhooks.signing import key_of, signature

ANSWER_S = 10.0
"""How long a receiver may take."""
READ_BYTES = 64 * 1024
"""Of an answer's body, which says nothing: so that the connection can be used again."""
USER_AGENT = f"reactor/{__version__}"
GONE = 410


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request."""

    status: int | None
    """None: there was no answer."""
    reason: str
    """Half a sentence, where it was not taken."""
    retry_after_s: float | None = None

    @property
    def taken(self) -> bool:
        """True when the receiver has it."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def away(self) -> bool:
        """True when the receiver is not there, or overloaded: others need not be tried."""
        return self.status is None or self.status >= 500 or self.status == 429


class Target:
    """One receiver."""

    def __init__(self, url: str, key: bytes | None) -> None:
        self._url, credentials = split_credentials(urldefrag(url).url)
        self._login = {"Authorization": credentials.basic} if credentials else {}
        self._key = key
        parts = urlsplit(self._url)
        self.shown = f"{parts.scheme}://{parts.netloc}"
        """Without what may be a secret: its path and query."""

    @property
    def signed(self) -> bool:
        """Whether there is a secret."""
        return self._key is not None

    async def post(self, client: Client, id: str, body: bytes) -> Answer:
        """Deliver one message. Redirects are not followed: an answer that is one is no delivery."""
        timestamp = int(time.time())
        lines = {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "webhook-id": id,
            "webhook-timestamp": str(timestamp),
        }
        if self._key is not None:
            lines["webhook-signature"] = signature(self._key, id, timestamp, body)
        return await self._ask(client, "POST", lines, body)

    async def look(self, client: Client) -> Answer:
        """Whether anything answers there. Nothing is delivered."""
        return await self._ask(client, "HEAD", {}, b"")

    async def _ask(self, client: Client, method: str, lines: dict[str, str], body: bytes) -> Answer:
        try:
            with anyio.fail_after(ANSWER_S):
                response = await client.ask(method, self._url, lines | self._login, body)
                try:
                    await _read(response, method)
                finally:
                    response.close()
        except TimeoutError:
            return Answer(None, f"it did not answer within {ANSWER_S:g} s")
        except NotConnected as error:
            return Answer(None, f"it cannot be reached: {_why(error)}")
        except NoAnswer as error:
            return Answer(None, f"it broke off: {_why(error)}")
        wait_s = retry_after_s(response.headers.get("retry-after"), response.headers.get("date"))
        return Answer(response.status, f"it answers with HTTP {response.status}", wait_s)


async def _read(response: Response, method: str) -> None:
    """What nobody wants to know, so that the next request can go on the same connection."""
    read = 0
    if method == "HEAD":
        return
    async for piece in response.as_sent(ANSWER_S):
        read += len(piece)
        if read > READ_BYTES:
            return


def _why(error: NoAnswer) -> str:
    cause = error.__cause__
    return (getattr(cause, "strerror", None) or str(cause) or type(cause).__name__) if cause else "no answer"


def client_of() -> Client:
    """What all requests to it go through. Whom the operator has named may be in a private network."""
    return Client(user_agent=USER_AGENT, timeout_s=ANSWER_S)


def target_of(settings: Settings) -> Target:
    """As the settings have it, which name one."""
    url, secret = settings.webhook_url, settings.webhook_secret
    assert url is not None
    return Target(url.get_secret_value(), key_of(secret.get_secret_value()) if secret else None)
