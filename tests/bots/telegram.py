"""A Bot API server on loopback, as much of one as a bot meets: https://core.telegram.org/bots/api

    async with BotApi() as api:
        … a bot whose BOT_API_URL is api.url …
        api.say("http://127.0.0.1/a.bin")
        await api.until(lambda: api.says("a.bin", "Downloaded"))

It refuses what Telegram refuses: another token, HTML it cannot read, an edit that changes nothing, a message that is
not there, a file that is too large. `trouble` makes a method fail as told, once each.
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from aiohttp import ClientPayloadError, web

from tests.bots.fake import Fake, fields

TOKEN = "123456789:put-the-token-from-BotFather-here"
POLL_S = 10.0
TEXT_MAX, UPLOAD_MAX, LOCAL_UPLOAD_MAX = 4096, 50_000_000, 2_000_000_000
TAGS = {"b", "i", "u", "s", "a", "code", "pre", "blockquote"}
LINK = re.compile(r"https?://\S+|(?<![\w@./])(?:[\w-]+\.)+(?:com|net|org|mov|zip)\b(?:/\S*)?")
"""What Telegram makes a link of: whatever might be the name of a host, too."""
BOT = {"id": int(TOKEN.partition(":")[0]), "is_bot": True, "first_name": "Fetcher", "username": "fetcher_bot"}
DATE = 1_800_000_000
FILES = {"sendDocument", "sendVideo", "sendAudio", "sendPhoto", "sendMediaGroup"}
SAID = ("duration", "width", "height", "thumbnail", "title", "performer", "supports_streaming", "caption")
ANN, BOB = 4242, 1717
GROUP = -100200300


@dataclass
class Message:
    """A message of the bot's, as people see it now."""

    id: int
    chat_id: int
    text: str
    buttons: dict[str, str] = field(default_factory=dict)
    """Label → what pressing it sends."""
    history: list[str] = field(default_factory=list)
    """Every text it has had, the latest included."""
    reply_to: int | None = None
    kind: str = "text"
    content: bytes | None = None
    """Of a file that was sent."""
    file_name: str | None = None
    said: dict[str, Any] = field(default_factory=dict)
    """What was sent along with it: its duration, width, thumbnail (its bytes), …"""
    album: int | None = None
    """Those that came together have the same."""
    by_id: bool = False
    """It was sent by the id of a file that Telegram had."""


@dataclass(frozen=True)
class Refusal:
    """An answer that is no success; `drop` closes the connection instead, `page` sends no JSON."""

    status: int = 400
    description: str = "Bad Request"
    parameters: dict[str, int] | None = None
    drop: bool = False
    page: bool = False


def too_many(retry_after: int) -> Refusal:
    """Flood control."""
    said = f"Too Many Requests: retry after {retry_after}"
    return Refusal(429, said, {"retry_after": retry_after})


class BotApi(Fake):
    """The server, and the people who talk to the bot."""

    def __init__(self, token: str = TOKEN, *, local: bool = False) -> None:
        super().__init__()
        self.token, self.local = token, local
        self.calls: list[tuple[str, dict[str, Any]]] = []
        """(method, parameters) in the order they came, but for getUpdates."""
        self.messages: dict[int, Message] = {}
        self.files: dict[str, bytes] = {}
        """file_id → what people have sent."""
        self.stuck: set[str] = set()
        """Those that never come."""
        self.floods: list[tuple[int, float]] = []
        """(chat, seconds) where an edit came sooner after the one before than `edit_gap` (s)."""
        self.edit_gap = 0.0
        self.speaks: dict[int, str] = {}
        """Person → the language of their Telegram, where it says one."""
        self.known: dict[str, tuple[str, str, bytes]] = {}
        """file_id → kind, name and content of what the bot has sent."""
        self.root: tuple[str, str] | None = None
        """How this server, which reads our disk, has our paths: its prefix and ours."""
        self.hold = False
        """True: what comes with files is not read until `release`."""
        self.held: list[str] = []
        """The methods of such calls."""
        self.aborted = 0
        """Calls that were broken off by the bot."""
        self._released = asyncio.Event()
        self._updates: list[dict[str, Any]] = []
        self._confirmed = 0
        self._troubles: dict[tuple[str, int | None], list[Refusal]] = {}
        self._edited: dict[int, float] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/bot{token}/{method}", self._call), web.get("/file/bot{token}/{path:.+}", self._file)]

    def shown(self) -> list[str]:
        return [f"{message.id}: {message.text!r}" for message in self.messages.values()]

    def trouble(self, method: str, *refusals: Refusal, chat: int | None = None) -> None:
        """The next calls of a method, in a chat or anywhere, fail like this, one after the other."""
        self._troubles.setdefault((method, chat), []).extend(refusals)

    def troubles(self, method: str, chat: int | None = None) -> int:
        """How many of those are still to come."""
        return len(self._troubles.get((method, chat), ()))

    # People

    def say(
        self, text: str, *, by: int = ANN, chat: int | None = None, links: tuple[dict[str, Any], ...] = (), **more: Any
    ) -> int:
        """Somebody sends a message; its id. `links` are entities besides those that Telegram finds itself."""
        body = "caption" if {"document", "photo"} & set(more) else "text"
        message = self._incoming(by, chat) | {body: text} | more
        message["caption_entities" if body == "caption" else "entities"] = [*entities(text), *links]
        self._update("message", message)
        return int(message["message_id"])

    def send_file(self, name: str, content: bytes, **more: Any) -> int:
        """Somebody sends a document."""
        file_id = f"file-{len(self.files)}"
        self.files[file_id] = content
        document = {"file_id": file_id, "file_unique_id": file_id, "file_name": name, "file_size": len(content)}
        return self.say("", document=document, **more)

    def press(self, message_id: int, label: str, *, by: int = ANN) -> None:
        """Somebody presses a button below a message."""
        message = self.messages[message_id]
        about = {"message": self.as_json(message), "chat_instance": "1", "data": message.buttons[label]}
        self._update("callback_query", {"id": str(self.next_id()), "from": person(by, self.speaks.get(by)), **about})

    def release(self) -> None:
        """Read on."""
        self.hold = False
        self._released.set()
        self._released = asyncio.Event()

    def delete(self, message_id: int) -> None:
        """Somebody deletes a message of the bot's."""
        del self.messages[message_id]

    def again(self) -> None:
        """Telegram hands over the last update a second time."""
        self._update(*next((k, v) for k, v in self._updates[-1].items() if k != "update_id"))

    def says(self, *words: str) -> bool:
        """True when one of the bot's messages has all these words."""
        return any(all(word in message.text for word in words) for message in self.messages.values())

    def about(self, request: int, chat: int = ANN) -> Message:
        """The bot's first message in answer to one of a person's."""
        texts = (message for message in self.messages.values() if message.kind == "text")
        return next(message for message in texts if message.reply_to == request and message.chat_id == chat)

    def told(self, request: int) -> str:
        """What it says; empty before it is there. A file may come sooner."""
        return next((m.text for m in self.messages.values() if (m.kind, m.reply_to) == ("text", request)), "")

    def answers(self, request: int) -> list[str]:
        """What the bot's messages in answer to one of a person's say."""
        return [m.text for m in self.messages.values() if m.reply_to == request]

    def files_sent(self) -> list[Message]:
        """The messages of the bot's that are files."""
        return [message for message in self.messages.values() if message.kind != "text"]

    def called(self, method: str) -> list[dict[str, Any]]:
        """The parameters of all calls of a method."""
        return [parameters for name, parameters in self.calls if name == method]

    # The server

    async def _call(self, request: web.Request) -> web.StreamResponse:
        if request.match_info["token"] != self.token:
            return _json({"ok": False, "error_code": 401, "description": "Unauthorized"}, 401)
        method = request.match_info["method"]
        try:
            parameters = await self._parameters(request, method)
        except (ConnectionError, ClientPayloadError):
            self.aborted += 1
            self._changed.set()
            raise
        if method != "getUpdates":
            said = {name: value for name, value in parameters.items() if isinstance(value, str)}
            self.calls.append((method, said))
        try:
            for which in (None, int(parameters.get("chat_id") or 0)):
                if troubles := self._troubles.get((method, which)):
                    raise _Refused(troubles.pop(0))
            result = await getattr(self, f"_do_{method}")(parameters)
        except _Refused as refused:
            return self._refuse(request, refused.refusal)
        finally:
            self._changed.set()
        return _json({"ok": True, "result": result})

    @staticmethod
    def _refuse(request: web.Request, refusal: Refusal) -> web.StreamResponse:
        if refusal.drop:
            assert request.transport is not None
            request.transport.abort()
        if refusal.page:
            return web.Response(status=refusal.status, text="<html>a proxy's own page</html>")
        body = {"ok": False, "error_code": refusal.status, "description": refusal.description}
        return _json(body | ({"parameters": refusal.parameters} if refusal.parameters else {}), refusal.status)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        file_id = request.match_info["path"].removeprefix("documents/")
        if file_id in self.stuck:
            await asyncio.Event().wait()
        if file_id not in self.files:
            return _json({"ok": False, "error_code": 404, "description": "Not Found"}, 404)
        return web.Response(body=self.files[file_id])

    async def _do_getMe(self, _: dict[str, Any]) -> Any:
        return BOT

    async def _do_deleteWebhook(self, _: dict[str, Any]) -> Any:
        return True

    async def _do_setMyCommands(self, _: dict[str, Any]) -> Any:
        return True

    async def _do_answerCallbackQuery(self, _: dict[str, Any]) -> Any:
        return True

    async def _do_getUpdates(self, parameters: dict[str, Any]) -> Any:
        self._confirmed = max(self._confirmed, int(parameters.get("offset") or 0))
        try:
            async with asyncio.timeout(min(POLL_S, float(parameters.get("timeout") or 0))):
                while not (new := [update for update in self._updates if update["update_id"] >= self._confirmed]):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return []
        return new[:100]

    async def _do_getFile(self, parameters: dict[str, Any]) -> Any:
        file_id = parameters["file_id"]
        return {"file_id": file_id, "file_unique_id": file_id, "file_path": f"documents/{file_id}"}

    async def _do_sendMessage(self, parameters: dict[str, Any]) -> Any:
        return self._sent(parameters, _readable(parameters))

    async def _do_editMessageText(self, parameters: dict[str, Any]) -> Any:
        message = self.messages.get(int(parameters["message_id"]))
        if message is None or message.chat_id != int(parameters["chat_id"]):
            raise _Refused(Refusal(description="Bad Request: message to edit not found"))
        text, buttons = _readable(parameters), _buttons(parameters)
        now = asyncio.get_running_loop().time()
        if (gap := now - self._edited.get(message.chat_id, -self.edit_gap)) < self.edit_gap:
            self.floods.append((message.chat_id, gap))
        self._edited[message.chat_id] = now
        if (message.text, message.buttons) == (text, buttons):
            raise _Refused(Refusal(description="Bad Request: message is not modified: …"))
        message.text, message.buttons = text, buttons
        message.history.append(text)
        return self.as_json(message)

    async def _do_sendDocument(self, parameters: dict[str, Any]) -> Any:
        return self._file_sent("document", parameters)

    async def _do_sendVideo(self, parameters: dict[str, Any]) -> Any:
        return self._file_sent("video", parameters)

    async def _do_sendAudio(self, parameters: dict[str, Any]) -> Any:
        return self._file_sent("audio", parameters)

    async def _do_sendPhoto(self, parameters: dict[str, Any]) -> Any:
        return self._file_sent("photo", parameters)

    async def _do_sendMediaGroup(self, parameters: dict[str, Any]) -> Any:
        media, album = json.loads(parameters["media"]), self.next_id()
        kinds = {each["type"] for each in media}
        if not 2 <= len(media) <= 10 or (len(kinds) > 1 and not kinds <= {"photo", "video"}):
            raise _Refused(Refusal(description="Bad Request: these cannot be grouped"))
        every = [parameters | each | {each["type"]: each["media"]} for each in media]
        for each in every:
            self._check_file(each["type"], each)
        return [self._file_sent(each["type"], each, album) for each in every]

    def _file_sent(self, kind: str, parameters: dict[str, Any], album: int | None = None) -> Any:
        name, content = self._check_file(kind, parameters)
        result = self._sent(parameters, str(parameters.get("caption") or ""))
        message = self.messages[result["message_id"]]
        message.kind, message.content, message.file_name, message.album = kind, content, name, album
        message.by_id = str(parameters[kind]) in self.known
        message.said = {each: parameters[each] for each in SAID if each in parameters}
        if str(picture := message.said.get("thumbnail")).startswith("attach://"):
            message.said["thumbnail"] = parameters[str(picture).removeprefix("attach://")][1]
        file_id = f"{kind}-{len(self.known)}"
        self.known[file_id] = kind, name, content
        about = {"file_id": file_id, "file_unique_id": file_id, "file_size": len(content)}
        sides = {"width": 1, "height": 1} if kind in ("video", "photo") else {}
        file = about | sides | ({"duration": 1} if kind in ("video", "audio") else {})
        return result | {kind: [file] if kind == "photo" else file}

    def _check_file(self, kind: str, parameters: dict[str, Any]) -> tuple[str, bytes]:
        """The name and the content of a file that can be sent."""
        name, content = self._content(kind, str(parameters[kind]), parameters)
        if len(content) > (LOCAL_UPLOAD_MAX if self.local else UPLOAD_MAX):
            raise _Refused(Refusal(413, "Request Entity Too Large"))
        if not content:
            raise _Refused(Refusal(description="Bad Request: file must be non-empty"))
        return name, content

    def _content(self, kind: str, given: str, parameters: dict[str, Any]) -> tuple[str, bytes]:
        """A file by the field of the form that holds it, by its path, as a server of one's own takes it, or by its
        id."""
        if given.startswith("attach://"):
            name, content = parameters[given.removeprefix("attach://")]
            return name, content
        if given in self.known and self.known[given][0] == kind:
            return self.known[given][1:]
        if not (self.local and given.startswith("file:///")):
            raise _Refused(Refusal(description="Bad Request: wrong remote file identifier specified"))
        path = unquote(urlsplit(given).path)
        if self.root:
            if not path.startswith(f"{self.root[0]}/"):
                raise _Refused(Refusal(description="Bad Request: file not found"))
            path = self.root[1] + path.removeprefix(self.root[0])
        return Path(path).name, Path(path).read_bytes()

    async def _parameters(self, request: web.Request, method: str) -> dict[str, Any]:
        """The fields of a form; a file is (name, content)."""
        if self.hold and method in FILES:
            self.held.append(method)
            self._changed.set()
            await self._released.wait()
        return await fields(request)

    def _sent(self, parameters: dict[str, Any], text: str) -> Any:
        reply = json.loads(parameters.get("reply_parameters") or "{}").get("message_id")
        id, chat_id = self.next_id(), int(parameters["chat_id"])
        self.messages[id] = Message(id, chat_id, text, _buttons(parameters), [text], reply)
        return self.as_json(self.messages[id])

    def as_json(self, message: Message) -> dict[str, Any]:
        """A message of the bot's as the API has it."""
        chat = _chat(message.chat_id)
        text = {"text": message.text, "entities": entities(message.text)}
        return {"message_id": message.id, "date": DATE, "chat": chat, "from": BOT} | text

    def _incoming(self, by: int, chat: int | None) -> dict[str, Any]:
        return {
            "message_id": self.next_id(),
            "date": DATE,
            "chat": _chat(chat or by),
            "from": person(by, self.speaks.get(by)),
        }

    def _update(self, kind: str, content: dict[str, Any]) -> None:
        self._updates.append({"update_id": self.next_id(), kind: content})
        self._changed.set()


class _Refused(Exception):
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.description)
        self.refusal = refusal


class _Html(HTMLParser):
    """Telegram's HTML: a few tags, everything else escaped."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.seen = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in TAGS:
            raise _Refused(Refusal(description=f'Bad Request: can\'t parse entities: Unsupported start tag "{tag}"'))
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            raise _Refused(Refusal(description=f'Bad Request: can\'t parse entities: Unexpected end tag "{tag}"'))

    def handle_data(self, data: str) -> None:
        self.seen += data


def _readable(parameters: dict[str, Any]) -> str:
    """A text as people see it."""
    text = str(parameters.get("text") or "")
    if parameters.get("parse_mode") == "HTML":
        parser = _Html()
        parser.feed(text)
        parser.close()
        if parser.open:
            raise _Refused(Refusal(description="Bad Request: can't parse entities: Can't find end tag"))
        text = parser.seen
    if not text.strip():
        raise _Refused(Refusal(description="Bad Request: message text is empty"))
    if len(text) > TEXT_MAX:
        raise _Refused(Refusal(description="Bad Request: message is too long"))
    return text


def _buttons(parameters: dict[str, Any]) -> dict[str, str]:
    rows = json.loads(parameters.get("reply_markup") or "{}").get("inline_keyboard", [])
    return {button["text"]: button["callback_data"] for row in rows for button in row}


def _chat(chat_id: int) -> dict[str, Any]:
    return (
        {"id": chat_id, "type": "private", "first_name": "A"}
        if chat_id > 0
        else {"id": chat_id, "type": "supergroup", "title": "A group"}
    )


def person(id: int, speaks: str | None = None) -> dict[str, Any]:
    """Somebody, by the language of their Telegram, where it says one."""
    language = {"language_code": speaks} if speaks else {}
    return {"id": id, "is_bot": False, "first_name": f"Person {id}"} | language


def entities(text: str) -> list[dict[str, Any]]:
    """What Telegram finds in a text: links, commands, names."""
    kinds = {"url": LINK, "bot_command": re.compile(r"^/\w+(@\w+)?"), "mention": re.compile(r"(?<!\S)@\w+")}
    return [
        {"type": kind, "offset": _units(text[: found.start()]), "length": _units(found[0])}
        for kind, pattern in kinds.items()
        for found in pattern.finditer(text)
    ]


def _units(text: str) -> int:
    """Telegram counts UTF-16 units."""
    return len(text.encode("utf-16-le")) // 2


def _json(body: Any, status: int = 200) -> web.Response:
    return web.json_response(body, status=status)
